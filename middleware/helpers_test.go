package middleware_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// hour is longer than any test.
const hour = time.Hour

// newEcho is an Echo that says nothing on the terminal.
func newEcho() *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	return e
}

// quietRecover is Echo's Recover without the stacks of all goroutines, for which the whole program is stopped.
func quietRecover() echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{DisableStackAll: true, DisablePrintStack: true})
}

// newCache is a cache that is closed when the test ends.
func newCache(tb testing.TB, c echocache.Config) *echocache.Cache {
	tb.Helper()
	cache, err := echocache.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cache.Close() })
	return cache
}

// newCacheOver is a cache over a backend.
func newCacheOver(tb testing.TB, b store.Backend, c echocache.Config) *echocache.Cache {
	tb.Helper()
	outputs, err := output.New(output.Config{Store: store.New(b, store.Config{})})
	if err != nil {
		tb.Fatal(err)
	}
	c.Cache = outputs
	return newCache(tb, c)
}

// userFromHeader tells who is asking by a header that an outer middleware is imagined to have verified.
func userFromHeader(c echo.Context) string { return c.Request().Header.Get("X-User") }

// request makes a request; each header is written as on the wire, "Name: value".
func request(tb testing.TB, method, target string, headers ...string) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, target, http.NoBody)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// send asks e and returns its answer.
func send(tb testing.TB, e http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	tb.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, request(tb, method, target, headers...))
	return w
}

// get sends a GET.
func get(tb testing.TB, e http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	tb.Helper()
	return send(tb, e, http.MethodGet, target, headers...)
}

// verdict is what the last member of Cache-Status says, without name and time to live: "hit", "stored", "collapsed",
// "bypass:signed-in", "uri-miss:set-cookie", or "" if there is none.
func verdict(w *httptest.ResponseRecorder) string {
	lines := w.Header()["Cache-Status"]
	if len(lines) == 0 {
		return ""
	}
	forward, detail := "", ""
	for _, item := range strings.Split(lines[len(lines)-1], "; ")[1:] {
		name, value, _ := strings.Cut(item, "=")
		switch name {
		case "hit", "stored", "collapsed":
			return name
		case "fwd":
			forward = value
		case "detail":
			detail = ":" + value
		}
	}
	return forward + detail
}

// wantVerdicts asks the same again and again and compares what Cache-Status says.
func wantVerdicts(t *testing.T, ask func() *httptest.ResponseRecorder, want ...string) {
	t.Helper()
	for i, wanted := range want {
		if got := verdict(ask()); got != wanted {
			t.Errorf("request %d: Cache-Status says %q, want %q", i+1, got, wanted)
		}
	}
}

// traces returns the first of the marks that stands anywhere in an answer, or "".
func traces(w *httptest.ResponseRecorder, marks ...string) string {
	all := bytes.NewBuffer(w.Body.Bytes())
	_ = w.Result().Header.Write(all)
	for _, mark := range marks {
		if bytes.Contains(all.Bytes(), []byte(mark)) {
			return mark
		}
	}
	return ""
}

// fakeBackend is memory with faults. It has none of the optional abilities, so every look-up is a Lookup.
type fakeBackend struct {
	store.Backend

	onEvict  func(ctx context.Context, tags []string) error // before the backend's own, instead of it on an error
	onLookup func() error
	onStore  func() (store.Verdict, error) // instead of the backend's own unless the verdict is Stored
}

func newFakeBackend(tb testing.TB) *fakeBackend {
	tb.Helper()
	return &fakeBackend{Backend: memstore.New(memstore.Config{})} // the cache closes it
}

func (f *fakeBackend) Evict(ctx context.Context, tags ...string) error {
	if f.onEvict != nil {
		if err := f.onEvict(ctx, tags); err != nil {
			return err
		}
	}
	return f.Backend.Evict(ctx, tags...)
}

func (f *fakeBackend) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	if f.onLookup != nil {
		if err := f.onLookup(); err != nil {
			return nil, err
		}
	}
	return f.Backend.Lookup(ctx, keys...)
}

func (f *fakeBackend) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	if f.onStore != nil {
		if v, err := f.onStore(); v != store.Stored {
			return v, err
		}
	}
	return f.Backend.Store(ctx, key, r)
}

// tagLog is what a backend was told to evict.
type tagLog struct {
	mu    sync.Mutex
	calls [][]string
}

func (l *tagLog) evict(_ context.Context, tags []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, append([]string(nil), tags...))
	return nil
}

// take returns the calls so far and forgets them.
func (l *tagLog) take() [][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.calls
	l.calls = nil
	return calls
}

// quietLog is for a server whose handlers panic on purpose.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
