package growth_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// room is for more than any measurement keeps, and the same for all, because some tables have a size that follows from it.
const room = 8 << 30

// site is an Echo application with one cached route, in front of a memory that drops nothing.
type site struct {
	t      *testing.T
	e      *echo.Echo
	cache  *echocache.Cache
	memory *memstore.Store
	ran    atomic.Int64
}

// newSite makes one whose page is its own path, or of size bytes if that is more.
func newSite(t *testing.T, policy output.Policy, size int) *site {
	t.Helper()
	s := &site{t: t, e: echo.New(), memory: memstore.New(memstore.Config{MaxBytes: room, SweepEvery: 24 * time.Hour})}
	pages, err := output.New(output.Config{Store: store.New(s.memory, store.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	s.cache = echocache.Must(echocache.New(echocache.Config{Cache: pages}))
	s.e.GET("/pages/:id", func(c echo.Context) error {
		s.ran.Add(1)
		body := make([]byte, max(size, len(c.Request().URL.Path)))
		copy(body, c.Request().URL.Path)
		return c.Blob(http.StatusOK, echo.MIMETextPlain, body)
	}, s.cache.Output(policy.Public().Jitter(0)))
	return s
}

// close ends the site before its test, for the memory.
func (s *site) close() {
	_ = s.cache.Close()
	_ = s.memory.Close()
}

// filled fails unless the handler has made so many pages, and all are there.
func (s *site) filled(n int) {
	s.t.Helper()
	stats := s.memory.Stats()
	if ran := s.ran.Load(); int(ran) != n || int(stats.Entries) != n {
		s.t.Fatalf("the handler ran %d times and %d pages are there, want %d", ran, stats.Entries, n)
	}
}

// visitor is one client, whose request and writer are used over and over.
type visitor struct {
	site   *site
	r      *http.Request
	header http.Header
	status int
	body   []byte // of the last answer, as it was handed over
}

func (s *site) visitor() *visitor {
	return &visitor{
		site: s, header: http.Header{},
		r: httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://shop.example/pages/1", http.NoBody),
	}
}

func (v *visitor) Header() http.Header { return v.header }

func (v *visitor) WriteHeader(status int) { v.status = status }

func (v *visitor) Write(b []byte) (int, error) {
	v.body = b
	return len(b), nil
}

// ask asks for a page.
func (v *visitor) ask(path string) {
	clear(v.header)
	v.status, v.r.URL.Path, v.r.RequestURI = 0, path, path
	v.site.e.ServeHTTP(v, v.r)
}

// get asks for a page, and ends the test if the answer is not it.
func (v *visitor) get(path string) {
	v.ask(path)
	if v.status != http.StatusOK || len(v.body) < len(path) || string(v.body[:len(path)]) != path {
		v.site.t.Fatalf("%s: status %d, %.40q", path, v.status, v.body)
	}
}

// pagePath is the path of the i-th page. All have one length.
func pagePath(i int) string { return fmt.Sprintf("/pages/%08d", i) }

// fill asks for the first n pages, once each.
func (s *site) fill(n int) {
	v := s.visitor()
	for i := range n {
		v.get(pagePath(i))
	}
}

// samples bounds how many pages a walk draws. They are many more than a processor's caches hold.
const samples = 1 << 17

// draw returns paths of some of n pages, in a random order.
func draw(n int) []string {
	paths := make([]string, min(n, samples))
	for i := range paths {
		at := i
		if n > samples {
			at = rand.IntN(n)
		}
		paths[i] = pagePath(at)
	}
	rand.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	return paths
}

// walk returns a function that asks for n of the paths, from where it left off.
func walk(paths []string, get func(path string)) func(n int) {
	at := 0
	return func(n int) {
		for range n {
			get(paths[at])
			if at++; at == len(paths) {
				at = 0
			}
		}
	}
}
