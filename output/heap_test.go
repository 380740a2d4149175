package output_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

var unique = flag.Int("unique", 0, "how many requests of TestI8_UniqueInputs differ; 0: as many as there is time for")

// TestI8_UniqueInputs lets clients choose whatever they can choose, a new one each time: paths, queries, header values, and
// through them tags and evictions. Every page is compressed and made stale besides. It is not parallel: it measures the heap
// of the whole process.
func TestI8_UniqueInputs(t *testing.T) {
	const budget = 16 << 20
	n := 100_000
	if testing.Short() || raceEnabled {
		n = 10_000
	}
	if *unique > 0 {
		n = *unique
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	cache := newCache(t, output.Config{Store: store.New(memstore.New(memstore.Config{MaxBytes: budget}), store.Config{})})
	p := output.For(time.Hour).Tag("id:{id}").VaryHeader("X-Tenant").StaleWhileRevalidate(time.Hour).StaleIfError(time.Hour).Compress()
	mux := http.NewServeMux()
	mux.Handle("GET /pages/{id}", cache.Handler(p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		output.Current(r.Context()).Tag("tenant:" + r.Header.Get("X-Tenant"))
		_, _ = w.Write([]byte(strings.Repeat("page of "+r.PathValue("id")+" ", 20)))
	})))
	for i := range n {
		for range 2 { // a fill, and a hit that compresses
			r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/pages/%d?q=%d", i, i), http.NoBody)
			r.Header.Set("X-Tenant", fmt.Sprint("tenant ", i))
			r.Header.Set("Accept-Encoding", "gzip")
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Fatal(w.Code)
			}
		}
		if i%10 == 0 {
			if err := cache.Evict(t.Context(), fmt.Sprint("tenant:tenant ", i), fmt.Sprint("nobody:", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	stats := cache.Stats().Store
	grown := heap() - before
	t.Logf("%d pages of %d, %.1f MiB reckoned, the heap grew by %.2f of the budget", stats.Entries, n, float64(stats.Bytes)/(1<<20), float64(grown)/budget)
	if stats.Bytes > budget || float64(grown) > 1.25*budget {
		t.Errorf("%d bytes reckoned, the heap grew by %d, budget %d", stats.Bytes, grown, budget)
	}
	runtime.KeepAlive(cache)
}
