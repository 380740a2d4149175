package output_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// site is a ServeMux with two cached routes.
func site(cache *output.Cache) http.Handler {
	mux := http.NewServeMux()
	page := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }
	policy := output.For(time.Minute).Tag("all", "id:{id}")
	mux.Handle("GET /products/{id}", cache.Handler(policy, http.HandlerFunc(page)))
	mux.Handle("GET /brands/{id...}", cache.Handler(policy, http.HandlerFunc(page)))
	return mux
}

// cached reports whether a page is there, without making it.
func cached(t *testing.T, h http.Handler, target string) bool {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodHead, target, http.NoBody)
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("%s: %d", target, w.Code)
	}
	return strings.Contains(w.Header().Get("Cache-Status"), "; hit;")
}

func TestEvict(t *testing.T) {
	t.Parallel()
	pages := []string{
		"/products/7", "/products/7?a=1", "/products/8", "/products/a%2Fb", "/brands/Acme%20Co", "/brands/x/y",
		"/products/" + strings.Repeat("x", 400), "/products/" + strings.Repeat("x", 401),
	}
	for name, row := range map[string]struct {
		evict func(*output.Cache) error
		gone  []int // of pages
	}{
		"a tag":           {func(c *output.Cache) error { return c.Evict(t.Context(), "id:7") }, []int{0, 1}},
		"several":         {func(c *output.Cache) error { return c.Evict(t.Context(), "id:8", "id:Acme Co", "id:none") }, []int{2, 4}},
		"an escaped one":  {func(c *output.Cache) error { return c.Evict(t.Context(), "id:a/b") }, []int{3}},
		"nothing":         {func(c *output.Cache) error { return c.Evict(t.Context()) }, nil},
		"all by a tag":    {func(c *output.Cache) error { return c.Evict(t.Context(), "all") }, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		"a path":          {func(c *output.Cache) error { return c.EvictPath(t.Context(), "/products/7") }, []int{0, 1}},
		"a spelt one":     {func(c *output.Cache) error { return c.EvictPath(t.Context(), "/pr%6Fducts/%37") }, []int{0, 1}},
		"an escaped path": {func(c *output.Cache) error { return c.EvictPath(t.Context(), "/products/a%2Fb") }, []int{3}},
		"a long path":     {func(c *output.Cache) error { return c.EvictPath(t.Context(), pages[6]) }, []int{6}},
		"a route":         {func(c *output.Cache) error { return c.EvictRoute(t.Context(), "GET /brands/{id...}") }, []int{4, 5}},
		"all":             {func(c *output.Cache) error { return c.EvictAll(t.Context()) }, []int{0, 1, 2, 3, 4, 5, 6, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := newCache(t, output.Config{})
			h := site(cache)
			for _, p := range pages {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, p, http.NoBody))
			}
			if err := row.evict(cache); err != nil {
				t.Fatal(err)
			}
			gone := map[int]bool{}
			for _, i := range row.gone {
				gone[i] = true
			}
			for i, p := range pages {
				// No tag is made of what is longer than one, so such a page is not kept in the first place.
				if long := len(p) > 300; cached(t, h, p) == (gone[i] || long) {
					t.Errorf("%.40s: there %v, evicted %v", p, !gone[i], gone[i])
				}
			}
		})
	}
}

func TestEvictMistakes(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	h := site(cache)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/products/7", http.NoBody))
	for name, err := range map[string]error{
		"a reserved tag":  cache.Evict(t.Context(), "id:7", "*"),
		"an empty tag":    cache.Evict(t.Context(), "id:7", ""),
		"no path":         cache.EvictPath(t.Context(), "products/7"),
		"an odd escape":   cache.EvictPath(t.Context(), "/products/%zz"),
		"an empty route":  cache.EvictRoute(t.Context(), ""),
		"from the store":  cache.Store().Evict(t.Context(), "id:7", "p:x"),
		"an unproven one": newCache(t, output.Config{Store: store.New(failing{memstore.New(memstore.Config{})}, store.Config{})}).EvictAll(t.Context()),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if !cached(t, h, "/products/7") {
		t.Error("a mistake evicted something")
	}
}

// Two caches on one store share their tags and nothing else.
func TestTwoCachesOnOneStore(t *testing.T) {
	t.Parallel()
	shared := store.New(memstore.New(memstore.Config{}), store.Config{})
	one, two := newCache(t, output.Config{Name: "one", Store: shared}), newCache(t, output.Config{Name: "two", Store: shared})
	fill := func() (http.Handler, http.Handler) {
		a, b := site(one), site(two)
		for _, h := range []http.Handler{a, b} {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/products/7", http.NoBody))
		}
		return a, b
	}
	a, b := fill()
	if err := one.EvictAll(t.Context()); err != nil || cached(t, a, "/products/7") || !cached(t, b, "/products/7") {
		t.Errorf("all of one: %v", err)
	}
	a, b = fill()
	if err := two.Evict(t.Context(), "id:7"); err != nil || cached(t, a, "/products/7") || cached(t, b, "/products/7") {
		t.Errorf("a tag of both: %v", err)
	}
	if err := errors.Join(one.Close(), two.Close(), shared.Close()); err != nil {
		t.Error(err)
	}
}
