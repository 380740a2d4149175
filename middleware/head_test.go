package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// Echo refuses a HEAD of a route that is registered for GET alone. A policy for all routes must not change that, whether
// the page of the GET is there or not; where HEAD is registered it is answered from that page.
func TestHeadIsRefusedAsWithoutACache(t *testing.T) {
	t.Parallel()
	cache := echocache.Must(echocache.New(echocache.Config{}))
	t.Cleanup(func() { _ = cache.Close() })
	e := echo.New()
	e.Use(cache.Output(output.For(time.Minute)))
	page := func(c echo.Context) error { return c.String(http.StatusOK, "page") }
	e.GET("/get", page)
	e.Match([]string{http.MethodGet, http.MethodHead}, "/both", page)
	for range 2 {
		for target, want := range map[string]int{"/get": http.StatusMethodNotAllowed, "/both": http.StatusOK} {
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest(http.MethodHead, target, http.NoBody))
			if w.Code != want {
				t.Errorf("HEAD %s: %d", target, w.Code)
			}
			e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, http.NoBody))
		}
	}
}
