package middleware_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

// Where policies are nested the inner Response tells and the inner Output decides, on the first request as on later ones.
func TestResponseAmongNestedOutputs(t *testing.T) {
	for name, chain := range map[string]func(*echocache.Cache) []echo.MiddlewareFunc{
		"output, response, output": func(c *echocache.Cache) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{c.Output(output.For(hour)), echocache.Response(response.Public(day)), c.Output(output.For(time.Minute).Jitter(0))}
		},
		"response, output, output": func(c *echocache.Cache) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{echocache.Response(response.Public(day)), c.Output(output.For(hour)), c.Output(output.For(time.Minute).Jitter(0))}
		},
		"output, output, response": func(c *echocache.Cache) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{c.Output(output.For(hour)), c.Output(output.For(time.Minute).Jitter(0)), echocache.Response(response.Public(day))}
		},
		"response, output, response": func(c *echocache.Cache) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{echocache.Response(response.Private(5 * time.Second).ETag()), c.Output(output.For(time.Minute).Jitter(0)), echocache.Response(response.Public(day))}
		},
		"response, response, output, response": func(c *echocache.Cache) []echo.MiddlewareFunc {
			outer := echocache.Response(response.NoStore())
			return []echo.MiddlewareFunc{outer, outer, c.Output(output.For(time.Minute).Jitter(0)), echocache.Response(response.Public(day))}
		},
		"response, response, output": func(c *echocache.Cache) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{echocache.Response(response.NoStore()), echocache.Response(response.Public(day)), c.Output(output.For(time.Minute).Jitter(0))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho()
				e.GET("/", answers(200, "a page"), chain(newCache(t, echocache.Config{}))...)
				for _, want := range []string{"public, max-age=60", "public, max-age=50", "public, max-age=40"} {
					if got := get(t, e, "/").Header().Get("Cache-Control"); got != want {
						t.Errorf("%q, want %q", got, want)
					}
					time.Sleep(10 * time.Second)
				}
			})
		})
	}
}

// A page whose handler asks another route for a part says of itself what its own policy says, not the part's.
func TestResponseOfAPart(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.GET("/part", answers(200, "part"), echocache.Response(response.NoStore()))
	e.GET("/", func(c echo.Context) error {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequestWithContext(c.Request().Context(), http.MethodGet, "/part", http.NoBody))
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("the part says %q", got)
		}
		_, err := io.Copy(c.Response(), w.Body)
		return err
	}, cache.Output(output.For(hour)))
	for range 2 {
		if w := get(t, e, "/"); w.Body.String() != "part" || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%q %s", w.Body, w.Header())
		}
	}
	wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/") }, "hit")
}
