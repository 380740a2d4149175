package output_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

func TestHandlerPanicsOnAMistake(t *testing.T) {
	t.Parallel()
	defer func() {
		if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "For(0s)") {
			t.Errorf("%v", err)
		}
	}()
	newCache(t, output.Config{}).Handler(output.For(0), http.NotFoundHandler())
}

// A user's page is the user's, by User of the configuration.
func TestHandlerPerUser(t *testing.T) {
	t.Parallel()
	config := output.Config{User: func(r *http.Request) string { return r.Header.Get("X-User") }}
	p := serve(t, config, output.For(time.Minute).PerUser().Tag("of:{user}"), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "page")
	})
	for range 2 {
		for _, user := range []string{"a", "b"} {
			w := ask(p, http.MethodGet, "X-User", user)
			if control := w.Header().Get("Cache-Control"); control != "private, no-cache" {
				t.Errorf("Cache-Control: %s", control)
			}
		}
	}
	if n := p.runs.Load(); n != 2 {
		t.Errorf("%d runs", n)
	}
	if err := p.cache.Evict(t.Context(), "of:a"); err != nil {
		t.Fatal(err)
	}
	ask(p, http.MethodGet, "X-User", "a")
	ask(p, http.MethodGet, "X-User", "b")
	if n := p.runs.Load(); n != 3 {
		t.Errorf("%d runs", n)
	}
}

// A cached handler around another one: the inner policy decides, from the second request on without the outer one.
func TestHandlerNested(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	inner := cache.Handler(output.For(time.Minute).Tag("inner"), slow(0))
	outer := cache.Handler(output.For(time.Hour).Tag("outer"), inner)
	for _, want := range []string{"stored", "; hit;"} {
		w := ask(outer, http.MethodGet)
		if said := w.Header()["Cache-Status"]; len(said) != 1 || !strings.Contains(said[0], want) || w.Body.String() != "page" {
			t.Errorf("%q %q", said, w.Body)
		}
	}
	if err := cache.Evict(t.Context(), "outer"); err != nil || !strings.Contains(ask(outer, http.MethodGet).Header().Get("Cache-Status"), "hit") {
		t.Errorf("the outer policy has kept something (%v)", err)
	}
}

// A page that is composed of another page, asked for by its handler, would outlive that page's tags: it is not kept. One
// that asks for itself does not wait for itself.
func TestHandlerThatAsksAnother(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{Patience: time.Second})
	mux := http.NewServeMux()
	part := func(r *http.Request, target string) string {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(r.Context(), http.MethodGet, target, http.NoBody))
		return w.Body.String()
	}
	page := output.For(time.Minute)
	mux.Handle("GET /part", cache.Handler(page.Tag("part"), slow(0)))
	mux.Handle("GET /whole", cache.Handler(page, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "<"+part(r, "/part")+">")
	})))
	depth := 0
	mux.Handle("GET /self", cache.Handler(page, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if depth++; depth > 1 {
			_, _ = io.WriteString(w, "end")
			return
		}
		_, _ = io.WriteString(w, "<"+part(r, "/self")+">")
	})))
	for target, want := range map[string]string{"/whole": "<page>", "/self": "<end>"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, http.NoBody))
		if said := w.Header().Get("Cache-Status"); w.Body.String() != want || said != "echocache; fwd=uri-miss; detail=nested" {
			t.Errorf("%s: %q %s", target, w.Body, said)
		}
	}
	if !cached(t, mux, "/part") {
		t.Error("the part is not kept")
	}
}

// watcher notes what an observer hears.
type watcher struct {
	output.NopObserver

	mu    sync.Mutex
	heard []string
}

func (w *watcher) note(what string, e output.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, strings.TrimSpace(strings.Join([]string{what, e.Cache, e.Route, e.Method, e.Tier, e.Reason, e.Verdict}, " ")))
}

func (w *watcher) Hit(e output.Event)      { w.note("hit", e) }
func (w *watcher) Filled(e output.Event)   { w.note("filled", e) }
func (w *watcher) Bypassed(e output.Event) { w.note("bypassed", e) }
func (w *watcher) Evicted(e output.Event)  { w.note("evicted", e) }

func TestObserverAndStats(t *testing.T) {
	t.Parallel()
	w := &watcher{}
	p := serve(t, output.Config{Name: "shop", Version: "1", Observer: w}, output.For(time.Minute).Tag("a"), slow(0))
	ask(p, http.MethodGet)
	ask(p, http.MethodGet)
	ask(p, http.MethodPut)
	if err := p.cache.Evict(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	want := []string{"filled shop / GET   stored", "hit shop / GET memory", "bypassed shop / PUT  method", "evicted shop"}
	if d := cmp.Diff(want, w.heard); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	s := p.cache.Stats()
	if s.Name != "shop" || s.Version != "1" || !s.Enabled || s.Hits != 1 || s.Misses != 1 || s.Stored != 1 || s.Bypassed != 1 ||
		s.Evictions != 1 || s.Filling != 0 || s.Waiting != 0 || s.Reasons["method"] != 1 || s.Store == nil || s.Store.Entries != 1 {
		t.Errorf("%+v %+v", s, s.Store)
	}
}

// A log line names the cache and the route, and never a key, a body or who asked.
func TestLogsTellNoSecrets(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	config := output.Config{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		User:   func(*http.Request) string { return "secret-user" },
	}
	cache := newCache(t, config)
	mux := http.NewServeMux()
	for pattern, tag := range map[string]string{"GET /a/{id}": "x:{id}", "GET /b/{id}": "x:{user}{none}"} {
		mux.Handle(pattern, cache.Handler(output.For(time.Minute).PerUser().Tag(tag), slow(0)))
	}
	for _, target := range []string{"/a/secret%0a", "/b/secret", "/b/secret?secret=1"} {
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet, target, http.NoBody))
	}
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "tag cannot be made") != 3 {
		t.Error(text)
	}
}
