package security_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// site is an Echo with a cache over a stand, which ends with the test.
func site(t *testing.T, s *stand, c echocache.Config) (*echo.Echo, *echocache.Cache) {
	t.Helper()
	outputs, err := output.New(output.Config{
		Store: store.New(spy{s.open(nil).backend, s.held, false}, store.Config{Namespace: s.namespace}),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Cache = outputs
	cache, err := echocache.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	e := echo.New()
	e.Logger.SetOutput(s.log)
	return e, cache
}

// sent asks h. Headers are written as on the wire.
func sent(t *testing.T, h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// kept reports whether an answer came from the cache.
func kept(w *httptest.ResponseRecorder) (hit bool) {
	return strings.Contains(w.Header().Get("Cache-Status"), "; hit")
}

// ages is longer than any test.
const ages = time.Hour
