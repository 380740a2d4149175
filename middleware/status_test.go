package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// htmlErrors is an error handler as applications write them.
func htmlErrors(err error, c echo.Context) {
	code := http.StatusInternalServerError
	if known, ok := err.(*echo.HTTPError); ok { //nolint:errorlint // as in Echo's guide
		code = known.Code
	}
	_ = c.HTML(code, fmt.Sprintf("<h1>%d</h1>", code))
}

// declines is an error handler that leaves some errors to somebody else.
func declines(err error, c echo.Context) {
	if c.Request().Header.Get("X-Nobody-Sends-This") != "" {
		c.Echo().DefaultHTTPErrorHandler(err, c)
	}
}

// TestStatusFor: what a handler says besides 200 is kept if the policy says so, whether it writes it or returns it.
func TestStatusFor(t *testing.T) {
	t.Parallel()
	notFound := func(echo.Context) error { return echo.NewHTTPError(http.StatusNotFound, "no such product") }
	for _, row := range []struct {
		name    string
		errors  echo.HTTPErrorHandler
		handler echo.HandlerFunc
		code    int
		body    string
		want    []string
	}{
		{"returned", nil, notFound, 404, "{\"message\":\"no such product\"}\n", []string{"stored", "hit", "hit"}},
		{"returned, rendered by the application", htmlErrors, notFound, 404, "<h1>404</h1>", []string{"stored", "hit", "hit"}},
		{"returned, rendered by nobody", declines, notFound, 200, "", []string{"uri-miss:error", "uri-miss:error"}},
		{"written", nil, func(c echo.Context) error { return c.String(404, "none") }, 404, "none", []string{"stored", "hit"}},
		{"redirect", nil, func(c echo.Context) error { return c.Redirect(301, "/new") }, 301, "", []string{"stored", "hit"}},
		{"gone is not named", nil, func(echo.Context) error { return echo.NewHTTPError(410) }, 410, "{\"message\":\"Gone\"}\n", []string{"uri-miss:error", "uri-miss:error"}},
		{"any other error", nil, func(echo.Context) error { return fmt.Errorf("broken") }, 500, "{\"message\":\"Internal Server Error\"}\n", []string{"uri-miss:error", "uri-miss:error"}},
		{"an error after the answer", nil, func(c echo.Context) error {
			_ = c.String(http.StatusOK, "said already")
			return echo.ErrNotFound
		}, 200, "said already", []string{"uri-miss:error", "uri-miss:error"}},
	} {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		if row.errors != nil {
			e.HTTPErrorHandler = row.errors
		}
		ran := 0
		e.GET("/", func(c echo.Context) error { ran++; return row.handler(c) }, cache.Output(output.For(hour).StatusFor(time.Minute, 404, 301)))
		var last *httptest.ResponseRecorder
		wantVerdicts(t, func() *httptest.ResponseRecorder {
			last = get(t, e, "/")
			if last.Code != row.code || last.Body.String() != row.body {
				t.Errorf("%s: %d %q, want %d %q", row.name, last.Code, last.Body, row.code, row.body)
			}
			return last
		}, row.want...)
		if row.code == http.StatusMovedPermanently && last.Header().Get("Location") != "/new" {
			t.Errorf("%s: to %q", row.name, last.Header().Get("Location"))
		}
		if once := row.want[0] == "stored"; once != (ran == 1) {
			t.Errorf("%s: the handler ran %d times", row.name, ran)
		}
	}
}

// answerOf is what a router's own answers are compared by.
type answerOf struct {
	Code        int
	Body, Allow string
}

// TestRoutersOwnAnswers: 404 and 405 under a policy on a group, or on everything, are as without a cache, and they are
// not kept unless the policy says so.
func TestRoutersOwnAnswers(t *testing.T) {
	t.Parallel()
	build := func(m ...echo.MiddlewareFunc) *echo.Echo {
		e := newEcho()
		group := e.Group("/api", m...)
		group.GET("/read", func(c echo.Context) error { return c.String(http.StatusOK, "read") })
		group.POST("/write", func(c echo.Context) error { return c.NoContent(http.StatusCreated) })
		e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "home") })
		return e
	}
	everywhere := func(m ...echo.MiddlewareFunc) *echo.Echo {
		e := build()
		e.Use(m...)
		return e
	}
	asks := []struct{ method, target string }{
		{"GET", "/api/read"}, {"HEAD", "/api/read"}, {"GET", "/api/none"}, {"GET", "/api/other"}, {"GET", "/api/write"},
		{"POST", "/api/read"}, {"DELETE", "/api/none"}, {"GET", "/none"}, {"GET", "/"}, {"OPTIONS", "/api/read"}, {"GET", "/api"}, {"GET", "/api/"},
	}
	for name, policy := range map[string]output.Policy{
		"200 only": output.For(hour), "404 and 405 too": output.For(hour).StatusFor(hour, 404, 405),
	} {
		for place, app := range map[string]func(...echo.MiddlewareFunc) *echo.Echo{"group": build, "everywhere": everywhere} {
			cache := newCache(t, echocache.Config{})
			// A group with any middleware answers 404 itself in Echo, so the other application has one too.
			with, without := app(cache.Output(policy)), app(func(next echo.HandlerFunc) echo.HandlerFunc { return next })
			for round := range 2 {
				for _, ask := range asks {
					a, b := send(t, without, ask.method, ask.target), send(t, with, ask.method, ask.target)
					if ask.method == http.MethodHead && verdict(b) == "hit" && b.Code == http.StatusOK {
						continue // Echo has no HEAD here; the entry of the GET answers it all the same
					}
					want := answerOf{a.Code, a.Body.String(), a.Header().Get("Allow")}
					if d := cmp.Diff(want, answerOf{b.Code, b.Body.String(), b.Header().Get("Allow")}); d != "" {
						t.Errorf("%s, %s, round %d, %s %s: -without +with\n%s", name, place, round, ask.method, ask.target, d)
					}
					if verdict(b) == "hit" && b.Code != http.StatusOK && name == "200 only" {
						t.Errorf("%s, %s: %s %s: %d was kept", name, place, ask.method, ask.target, b.Code)
					}
				}
			}
			if got := verdict(get(t, with, "/none")); place == "everywhere" && got != "bypass:no-route" {
				t.Errorf("no route: %q", got)
			}
		}
	}
}

// TestHead: answered from the entry of a GET, with its length and without its body, and never kept itself.
func TestHead(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	show := func(c echo.Context) error { return c.String(http.StatusOK, "hello "+c.Request().Method) }
	e.Match([]string{http.MethodGet, http.MethodHead}, "/", show, cache.Output(output.For(hour)))
	for i, row := range []struct{ method, verdict string }{
		{"HEAD", "uri-miss:head"}, {"HEAD", "uri-miss:head"}, {"GET", "stored"}, {"HEAD", "hit"}, {"GET", "hit"},
	} {
		w := send(t, e, row.method, "/")
		if got := verdict(w); got != row.verdict {
			t.Errorf("request %d, %s: %q, want %q", i+1, row.method, got, row.verdict)
		}
		switch {
		case row.method == http.MethodGet && w.Body.String() != "hello GET":
			t.Errorf("request %d: %q", i+1, w.Body)
		case row.verdict == "hit" && w.Header().Get("Content-Length") != "9":
			t.Errorf("request %d: length %q", i+1, w.Header().Get("Content-Length"))
		case row.method == http.MethodHead && row.verdict == "hit" && w.Body.Len() > 0:
			t.Errorf("request %d has a body: %q", i+1, w.Body)
		}
	}
}
