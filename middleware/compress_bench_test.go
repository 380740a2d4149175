package middleware_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// productList is a list of products in JSON, of 64 KiB. Its names and numbers are drawn, so that it is no easier to
// compress than a real one.
func productList(tb testing.TB) []byte {
	tb.Helper()
	type product struct {
		ID         int      `json:"id"`
		Name       string   `json:"name"`
		Brand      string   `json:"brand"`
		Category   string   `json:"category"`
		PriceCents int      `json:"price_cents"`
		UpdatedAt  string   `json:"updated_at"`
		Tags       []string `json:"tags"`
	}
	words := strings.Fields("oak floor lamp desk brass chair linen shade walnut shelf kettle wool rug ceramic mug steel hook glass vase cotton")
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same on every run
	word := func() string { return words[r.IntN(len(words))] }
	var list []product
	for {
		at := time.Unix(1_700_000_000+r.Int64N(10_000_000), r.Int64N(1e9)).UTC()
		list = append(list, product{
			len(list), fmt.Sprintf("%s %s %s %x", word(), word(), word(), r.Uint32()), word(), word(), r.IntN(100_000),
			at.Format(time.RFC3339Nano), []string{word(), word()},
		})
		text, err := json.Marshal(list)
		if err != nil {
			tb.Fatal(err)
		}
		if len(text) >= 64<<10 {
			return text
		}
	}
}

// listServer is a real server of the list, cached by the policy, behind what is mounted outside.
func listServer(tb testing.TB, p output.Policy, outside ...echo.MiddlewareFunc) (url string, cache *echocache.Cache) {
	tb.Helper()
	list := productList(tb)
	cache = newCache(tb, echocache.Config{})
	e := newEcho()
	e.Use(outside...)
	e.GET("/products", func(c echo.Context) error { return c.JSONBlob(http.StatusOK, list) }, cache.Output(p))
	server := httptest.NewServer(e)
	tb.Cleanup(server.Close)
	return server.URL + "/products", cache
}

// benchmarkList asks for hits over HTTP, as clients that take gzip.
func benchmarkList(b *testing.B, p output.Policy, outside ...echo.MiddlewareFunc) {
	b.Helper()
	url, cache := listServer(b, p, outside...)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	ask := func() (int64, error) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			return 0, err
		}
		r.Header.Set("Accept-Encoding", "gzip")
		w, err := transport.RoundTrip(r)
		if err != nil {
			return 0, err
		}
		defer w.Body.Close()
		if w.Header.Get("Content-Encoding") != "gzip" {
			return 0, fmt.Errorf("not compressed: %v", w.Header)
		}
		return io.Copy(io.Discard, w.Body)
	}
	size, err := ask()
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if n, err := ask(); err != nil || n != size {
				b.Errorf("%d bytes, %v", n, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64(size), "B/answer")
	if s := cache.Outputs().Stats(); s.Misses != 1 {
		b.Fatalf("%d misses", s.Misses)
	}
}

// A hit of 64 KiB of JSON for a client that takes gzip: compressed once, by the policy; and each time, by Echo's Gzip.
func BenchmarkListCompress(b *testing.B) { benchmarkList(b, output.For(time.Hour).Public().Compress()) }

func BenchmarkListGzip(b *testing.B) {
	benchmarkList(b, output.For(time.Hour).Public(), middleware.Gzip())
}

// BenchmarkListEntry reports what an entry of the list takes in memory, by the store's own count: as it is, with both forms
// since its fill, and with the compressed form that a hit has made. The time is a hit's, without the network.
func BenchmarkListEntry(b *testing.B) {
	for name, asks := range map[string][]string{
		"Whole": {"", ""}, "BothAtTheFill": {"gzip", "gzip"}, "BothByAHit": {"", "", "gzip"},
	} {
		b.Run(name, func(b *testing.B) {
			p := output.For(time.Hour).Public()
			if name != "Whole" {
				p = p.Compress()
			}
			list, cache := productList(b), newCache(b, echocache.Config{})
			e := newEcho()
			e.GET("/products", func(c echo.Context) error { return c.JSONBlob(http.StatusOK, list) }, cache.Output(p))
			before := cache.Outputs().Stats().Store.Bytes
			for _, accepts := range asks {
				send(b, e, http.MethodGet, "/products", "Accept-Encoding: "+accepts)
			}
			r, w := request(b, http.MethodGet, "/products", "Accept-Encoding: "+asks[len(asks)-1]), newBenchWriter()
			for b.Loop() {
				w.reset()
				e.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(cache.Outputs().Stats().Store.Bytes-before), "B/entry")
			b.ReportMetric(float64(len(list)), "B/body")
		})
	}
}
