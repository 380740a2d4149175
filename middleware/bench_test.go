package middleware_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// benchWriter is a client that takes everything and keeps nothing but its header map, as net/http does between the
// requests of one connection at best.
type benchWriter struct {
	header http.Header
	status int
	bytes  int
}

func newBenchWriter() *benchWriter { return &benchWriter{header: http.Header{}} }

func (w *benchWriter) Header() http.Header { return w.header }

func (w *benchWriter) WriteHeader(status int) { w.status = status }

func (w *benchWriter) Write(b []byte) (int, error) {
	w.bytes += len(b)
	return len(b), nil
}

func (w *benchWriter) reset() {
	clear(w.header)
	w.status, w.bytes = 0, 0
}

// benchRequest is what all of them are asked: host, route, path, query and one header that the policy varies on.
func benchRequest(tb testing.TB) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet,
		"http://shop.example/brands/kestrel/products/7?page=2&sort=name", http.NoBody)
	r.Header.Set("Accept-Language", "en-GB")
	r.Header.Set("User-Agent", "bench")
	return r
}

// keyed is a policy with a full key: host, route, path, query, one header that is varied on, and three tags.
var keyed = output.For(time.Hour).Tag("brand:{brand}", "product:{id}", "catalog").
	VaryHeader("Accept-Language").VaryQuery("page", "sort")

// hitPath is an Echo whose one route is cached by the policy, and a bare one for comparison. ran counts how often the
// cached handler ran.
func hitPath(tb testing.TB, policy output.Policy, size int) (cached, bare *echo.Echo, ran *int) {
	tb.Helper()
	body := bytes.Repeat([]byte("x"), size)
	ran = new(int)
	handler := func(c echo.Context) error {
		*ran++
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
	}
	cache := echocache.Must(echocache.New(echocache.Config{User: func(c echo.Context) string {
		user, _ := c.Get("user").(string)
		return user
	}}))
	tb.Cleanup(func() { _ = cache.Close() })
	cached, bare = echo.New(), echo.New()
	cached.GET("/brands/:brand/products/:id", handler, cache.Output(policy))
	bare.GET("/brands/:brand/products/:id", func(c echo.Context) error {
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
	})
	return cached, bare, ran
}

func bench(b *testing.B, e *echo.Echo, size int) {
	b.Helper()
	r, w := benchRequest(b), newBenchWriter()
	e.ServeHTTP(w, r) // fills the cache, if there is one
	b.ReportAllocs()
	for b.Loop() {
		w.reset()
		e.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK || w.bytes != size {
		b.Fatalf("status %d, %d bytes", w.status, w.bytes)
	}
}

func BenchmarkBareEcho(b *testing.B) {
	_, bare, _ := hitPath(b, keyed.Public(), 1<<10)
	bench(b, bare, 1<<10)
}

func benchmarkHit(b *testing.B, policy output.Policy, size int) {
	b.Helper()
	cached, _, ran := hitPath(b, policy, size)
	bench(b, cached, size)
	if *ran != 1 {
		b.Fatalf("the handler ran %d times", *ran)
	}
}

func BenchmarkHit1K(b *testing.B) { benchmarkHit(b, keyed.Public(), 1<<10) }

// BenchmarkHit1KAsked asks the application first who the user is.
func BenchmarkHit1KAsked(b *testing.B) { benchmarkHit(b, keyed, 1<<10) }

func BenchmarkHit64K(b *testing.B) { benchmarkHit(b, keyed.Public(), 64<<10) }

func BenchmarkHit1KParallel(b *testing.B) {
	cached, _, _ := hitPath(b, keyed.Public(), 1<<10)
	benchParallel(b, cached)
}

func BenchmarkBareEchoParallel(b *testing.B) {
	_, bare, _ := hitPath(b, keyed.Public(), 1<<10)
	benchParallel(b, bare)
}

func benchParallel(b *testing.B, e *echo.Echo) {
	b.Helper()
	e.ServeHTTP(newBenchWriter(), benchRequest(b))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r, w := benchRequest(b), newBenchWriter()
		for pb.Next() {
			w.reset()
			e.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Errorf("status %d", w.status)
				return
			}
		}
	})
}
