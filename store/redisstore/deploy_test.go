package redisstore_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// In a rolling deploy two releases share a namespace: each has pages of its own, and an eviction by either is seen by both,
// whether it has memory in front or not.
func TestI1_RollingDeploy(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	var price atomic.Int64
	release := func(version string, b store.Backend) (get func() string, cache *output.Cache) {
		t.Helper()
		cache, err := output.New(output.Config{Name: "shop", Version: version, Store: store.New(b, store.Config{Namespace: ns})})
		if err != nil {
			t.Fatal(err)
		}
		page := cache.Handler(output.For(time.Hour).Tag("product:7"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, "%s shows %d", version, price.Load())
		}))
		return func() string {
			w := httptest.NewRecorder()
			page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/products/7", http.NoBody))
			verdict := "miss"
			if strings.Contains(w.Header().Get("Cache-Status"), "hit") {
				verdict = "hit"
			}
			return w.Body.String() + ", " + verdict
		}, cache
	}
	before, old := release("v1", process(t, client, ns, 1))
	after, fresh := release("v2", open(t, client, redisstore.Config{Namespace: ns}))
	want := func(get func() string, want string) {
		t.Helper()
		if got := get(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for i, evict := range []*output.Cache{old, fresh, old, fresh} {
		price.Store(int64(i))
		if err := evict.Evict(t.Context(), "product:7"); err != nil {
			t.Fatal(err)
		}
		for _, verdict := range []string{"miss", "hit", "hit"} {
			want(before, fmt.Sprintf("v1 shows %d, %s", i, verdict))
			want(after, fmt.Sprintf("v2 shows %d, %s", i, verdict))
		}
	}
	// A third instance, of the old release after a rollback, finds the old release's page.
	again, _ := release("v1", front(t, redisstore.New(client, patient(redisstore.Config{Namespace: ns})), tiered.Config{}))
	want(again, "v1 shows 3, hit")
}
