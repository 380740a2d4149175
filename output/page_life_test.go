package output_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
)

// What a handler says last of its page's life counts, but for a wish not to keep it, which nothing takes back.
func TestTheLastWordOnALife(t *testing.T) {
	const stored = "echocache; fwd=uri-miss; stored; ttl="
	for name, row := range map[string]struct {
		policy output.Policy
		say    func(*output.Entry)
		want   string
	}{
		"an end after a life": {output.For(time.Minute), func(e *output.Entry) {
			e.TTL(time.Hour)
			e.Until(time.Now().Add(30 * time.Second))
		}, stored + "30"},
		"an end is exact": {output.For(time.Minute).Jitter(0.99), func(e *output.Entry) {
			e.Until(time.Now().Add(30 * time.Second))
		}, stored + "30"},
		"a life after none": {output.For(time.Minute), func(e *output.Entry) {
			e.TTL(-1)
			e.TTL(time.Hour)
		}, "echocache; fwd=uri-miss; detail=no-store"},
		"a life after a wish": {output.For(time.Minute), func(e *output.Entry) {
			e.NoStore()
			e.TTL(time.Hour)
		}, "echocache; fwd=uri-miss; detail=no-store"},
		"no time at all": {output.For(time.Minute), func(e *output.Entry) { e.TTL(0) }, "echocache; fwd=uri-miss; detail=no-store"},
		"a tag after a bad one": {output.For(time.Minute), func(e *output.Entry) {
			e.Tag("a", "", "b")
			e.Tag("c")
		}, "echocache; fwd=uri-miss; detail=tag"},
		"one tag many times": {output.For(time.Minute).Jitter(0).Tag("a"), func(e *output.Entry) {
			for range 100 {
				e.Tag("a", "b")
			}
		}, stored + "60"},
		"two centuries": {output.For(200 * 365 * 24 * time.Hour).Jitter(0), func(*output.Entry) {}, stored + "3153600000"},
		"of a status":   {output.For(time.Minute).Jitter(0).StatusFor(9*time.Second, 200), func(*output.Entry) {}, stored + "9"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, output.Config{}, row.policy, func(w http.ResponseWriter, r *http.Request) {
					row.say(output.Current(r.Context()))
					_, _ = io.WriteString(w, "page")
				})
				if got := ask(p, http.MethodGet).Header().Get("Cache-Status"); got != row.want {
					t.Error(got)
				}
			})
		})
	}
}

// Each status code has its own life.
func TestALifeForEachStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := output.For(time.Hour).Jitter(0).StatusFor(5*time.Second, 404, 410).StatusFor(time.Minute, 301)
		code := 404
		p := serve(t, output.Config{}, policy, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		for c, life := range map[int]time.Duration{404: 5 * time.Second, 410: 5 * time.Second, 301: time.Minute, 200: time.Hour} {
			code = c
			before := p.runs.Load()
			ask(p, http.MethodGet)
			time.Sleep(life - time.Millisecond)
			if w := ask(p, http.MethodGet); w.Code != c || p.runs.Load() != before+1 {
				t.Errorf("%d: over too soon", c)
			}
			time.Sleep(time.Millisecond)
			if ask(p, http.MethodGet); p.runs.Load() != before+2 {
				t.Errorf("%d: still there", c)
			}
			if err := p.cache.EvictAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Names that are longer than a tag are evicted like others, and one at a time.
func TestEvictLongNames(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	stem := "/" + strings.Repeat("long", 100)
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET " + stem + "/a/", "GET " + stem + "/b/"} {
		mux.Handle(pattern, cache.Handler(output.For(time.Minute), slow(0)))
	}
	pages := []string{stem + "/a/1", stem + "/a/2", stem + "/b/1"}
	for name, row := range map[string]struct {
		evict func() error
		gone  string // page numbers
	}{
		"a path":     {func() error { return cache.EvictPath(t.Context(), pages[0]) }, "0"},
		"a route":    {func() error { return cache.EvictRoute(t.Context(), "GET "+stem+"/a/") }, "01"},
		"a stem":     {func() error { return cache.EvictPath(t.Context(), stem) }, ""},
		"everything": {func() error { return cache.EvictAll(t.Context()) }, "012"},
	} {
		for _, page := range pages {
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, page, http.NoBody))
		}
		if err := row.evict(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, page := range pages {
			if gone := strings.Contains(row.gone, string(rune('0'+i))); cached(t, mux, page) == gone {
				t.Errorf("%s: page %d: gone %v", name, i, !gone)
			}
		}
	}
}

// A wildcard of a route is read as the handler reads it: unescaped once.
func TestTagsReadPathValues(t *testing.T) {
	t.Parallel()
	for target, tag := range map[string]string{
		"/p/a%2541": "id:a%41", "/p/a+b": "id:a+b", "/p/a%20b": "id:a b", "/p/%C3%A9": "id:é", "/p/a%7Bid%7D": "id:a{id}",
		"/q/a/b%2Fc": "id:a/b/c",
	} {
		cache := newCache(t, output.Config{})
		mux := http.NewServeMux()
		for _, pattern := range []string{"GET /p/{id}", "GET /q/{id...}"} {
			mux.Handle(pattern, cache.Handler(output.For(time.Minute).Tag("id:{id}"), slow(0)))
		}
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, http.NoBody))
		if !cached(t, mux, target) {
			t.Errorf("%s is not kept", target)
		}
		if err := cache.Evict(t.Context(), tag); err != nil || cached(t, mux, target) {
			t.Errorf("%s is there after an eviction of %s (%v)", target, tag, err)
		}
	}
}

// A wildcard that matched nothing makes no tag: the page bypasses, and the log says why.
func TestATagOfNothing(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("GET /q/{id...}", newCache(t, output.Config{}).Handler(output.For(time.Minute).Tag("id:{id}"), slow(0)))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/q/", http.NoBody))
	if said := w.Header().Get("Cache-Status"); said != "echocache; fwd=bypass; detail=tag" || w.Body.String() != "page" {
		t.Errorf("%s %q", said, w.Body)
	}
}

// A public page may carry the tag of whoever asked first.
func TestAPublicPageTaggedWithItsUser(t *testing.T) {
	t.Parallel()
	config := output.Config{User: func(r *http.Request) string { return r.Header.Get("X-User") }}
	p := serve(t, config, output.For(time.Minute).Public().Tag("by:{user}"), slow(0))
	ask(p, http.MethodGet, "X-User", "alice")
	if said := ask(p, http.MethodGet, "X-User", "bob").Header().Get("Cache-Status"); !strings.Contains(said, "hit") {
		t.Error(said)
	}
	if err := p.cache.Evict(t.Context(), "by:alice"); err != nil {
		t.Fatal(err)
	}
	if said := ask(p, http.MethodGet, "X-User", "bob").Header().Get("Cache-Status"); !strings.Contains(said, "stored") {
		t.Error(said)
	}
}

// What is said of the time is made once a second, and never a moment too long: whatever was asked before, it is as a page
// says that nobody has asked yet.
func TestClockStringsAreNeverOld(t *testing.T) {
	t.Parallel()
	cache, err := output.New(output.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	for _, ttl := range []time.Duration{1, time.Second, 3 * time.Second, 3700 * time.Millisecond} {
		var edges []time.Duration // around each second of the time left, and of the age
		for _, from := range []time.Duration{0, ttl} {
			for second := -4 * time.Second; second <= 4*time.Second; second += time.Second {
				edges = append(edges, from+second-1, from+second, from+second+1, from+second+time.Second/2)
			}
		}
		for _, before := range edges {
			for _, left := range edges {
				page := output.NewClockPage(ttl)
				page.At(before, cache)
				if got, want := page.At(left, cache), output.NewClockPage(ttl).At(left, cache); got != want {
					t.Errorf("%v of %v left: %q, want %q, as before %v were", left, ttl, got, want, before)
				}
			}
		}
	}
}
