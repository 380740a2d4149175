package middleware_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// part is a middleware that an application may mount outside or inside of Output.
type part struct {
	name    string
	made    func() echo.MiddlewareFunc
	inside  func(output.Policy) output.Policy // what it reads must be declared where it stands inside
	clients [][]string                        // the header lines of each
	dull    bool                              // inside, nothing is ever kept
}

// session gives whoever has none a cookie, as the session middlewares do.
func session() echo.MiddlewareFunc {
	n := 0
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if _, err := c.Cookie("sid"); err != nil {
				n++
				c.SetCookie(&http.Cookie{Name: "sid", Value: fmt.Sprintf("session-%d", n)})
			}
			return next(c)
		}
	}
}

// jwt leaves the bearer in the context, as the JWT middlewares do.
func jwt() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			user, ok := strings.CutPrefix(c.Request().Header.Get("Authorization"), "Bearer ")
			if !ok {
				return echo.NewHTTPError(http.StatusUnauthorized, "missing or malformed jwt")
			}
			c.Set("user", user)
			return next(c)
		}
	}
}

func requestID() echo.MiddlewareFunc {
	n := 0
	return middleware.RequestIDWithConfig(middleware.RequestIDConfig{Generator: func() string {
		n++
		return fmt.Sprintf("id-%d", n)
	}})
}

func varying(names ...string) func(output.Policy) output.Policy {
	return func(p output.Policy) output.Policy { return p.VaryHeader(names...) }
}

func parts() []part {
	anyone := [][]string{nil, {"User-Agent: another"}}
	return []part{
		{name: "Recover", made: quietRecover, clients: anyone},
		{name: "RequestLogger", clients: anyone, made: func() echo.MiddlewareFunc {
			return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
				LogStatus: true, HandleError: true,
				LogValuesFunc: func(echo.Context, middleware.RequestLoggerValues) error { return nil },
			})
		}},
		{
			name: "Gzip", made: middleware.Gzip, inside: varying("Accept-Encoding"),
			clients: [][]string{{"Accept-Encoding: gzip"}, nil, {"Accept-Encoding: br"}},
		},
		{
			name: "CORS", inside: varying("Origin"),
			made: func() echo.MiddlewareFunc {
				return middleware.CORSWithConfig(middleware.CORSConfig{AllowOrigins: []string{"https://*.example"}})
			},
			clients: [][]string{{"Origin: https://a.example"}, {"Origin: https://b.example"}, nil, {"Origin: https://evil.test"}},
		},
		{name: "Secure", made: middleware.Secure, clients: anyone},
		{name: "RequestID", made: requestID, clients: [][]string{nil, {"X-Request-Id: the-client's"}, nil}},
		{name: "ContextTimeout", clients: anyone, made: func() echo.MiddlewareFunc { return middleware.ContextTimeout(time.Minute) }},
		{name: "BodyLimit", clients: anyone, made: func() echo.MiddlewareFunc { return middleware.BodyLimit("1K") }},
		{name: "session", made: session, clients: [][]string{nil, {"Cookie: sid=other"}}, dull: true},
		{name: "JWT", made: jwt, clients: [][]string{{"Authorization: Bearer ada"}, {"Authorization: Bearer bob"}, nil}, dull: true},
		{name: "CSRF", made: middleware.CSRF, clients: [][]string{nil, {"Cookie: _csrf=the-client's-own"}}, dull: true},
	}
}

// app is an application with one middleware, and with a cache or what stands in its place.
func (p part) app(cached echo.MiddlewareFunc, inside bool) *echo.Echo {
	e := newEcho()
	chain := []echo.MiddlewareFunc{quietRecover(), p.made(), cached}
	if inside {
		chain[1], chain[2] = chain[2], chain[1]
	}
	e.GET("/hello", func(c echo.Context) error {
		user, _ := c.Get("user").(string)
		c.Response().Header().Set("X-Handler", "was here")
		return c.String(http.StatusOK, strings.Repeat("hello "+user, 20))
	}, chain...)
	e.GET("/missing", func(echo.Context) error { return echo.NewHTTPError(http.StatusNotFound, "no such page") }, chain...)
	e.GET("/panic", func(echo.Context) error { panic("on purpose") }, chain...)
	e.GET("/empty", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, chain...)
	return e
}

// differences asks an application with a cache and one without the same, thrice, and returns where they differ.
func (p part) differences(t *testing.T, cached func(output.Policy) echo.MiddlewareFunc, inside bool) (found []string, hits int) {
	t.Helper()
	policy := output.For(hour)
	if inside && p.inside != nil {
		policy = p.inside(policy)
	}
	none := func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	with, without := p.app(cached(policy), inside), p.app(none, inside)
	for round := range 3 {
		for _, client := range p.clients {
			for _, path := range []string{"/hello", "/missing", "/panic", "/empty"} {
				a, b := get(t, without, path, client...), get(t, with, path, client...)
				if verdict(b) == "hit" {
					hits++
				}
				if d := cmp.Diff(p.comparable(a, inside), p.comparable(b, inside)); d != "" {
					found = append(found, fmt.Sprintf("round %d, %s of %q: -without +with\n%s", round, path, client, d))
				}
			}
		}
	}
	return found, hits
}

// comparable takes from an answer what a cache may change.
func (p part) comparable(w *httptest.ResponseRecorder, inside bool) diffAnswer {
	a := diffAnswer{w.Code, w.Header().Clone(), w.Body.String()}
	for _, name := range ours {
		a.Header.Del(name)
	}
	if a.Header.Get("Cache-Control") == "no-cache" {
		a.Header.Del("Cache-Control")
	}
	if p.name == "RequestID" && inside {
		a.Header.Del("X-Request-Id") // a hit does not run what is inside; see TestRequestIDIsEachRequestsOwn
	}
	if cookie := a.Header.Get("Set-Cookie"); p.name == "CSRF" && strings.HasPrefix(cookie, "_csrf=") && !strings.HasPrefix(cookie, "_csrf=the-client's-own") {
		a.Header.Set("Set-Cookie", "random") // and none of two is the same; see TestCSRF
	}
	return a
}

// TestComposition names I-3, I-4 and I-5: with each of the usual middlewares, outside and inside of Output, an
// application answers as it does without a cache.
func TestComposition(t *testing.T) {
	t.Parallel()
	for _, p := range parts() {
		for _, inside := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/inside=%t", p.name, inside), func(t *testing.T) {
				t.Parallel()
				cache := newCache(t, echocache.Config{})
				found, hits := p.differences(t, cache.Output, inside)
				for _, d := range found {
					t.Error(d)
				}
				if mayHit := (!inside || !p.dull) && p.name != "JWT"; mayHit != (hits > 0) {
					t.Errorf("%d hits", hits)
				}
			})
		}
	}
}

// naive is a mutant: a cache as many are, which keeps the whole answer under the URL, whoever set its headers.
func naive(output.Policy) echo.MiddlewareFunc {
	kept := map[string]*httptest.ResponseRecorder{}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			url := c.Request().URL.String()
			w := kept[url]
			if w == nil {
				w = httptest.NewRecorder()
				maps.Copy(w.Header(), c.Response().Header())
				outer := c.Response()
				c.SetResponse(echo.NewResponse(w, c.Echo()))
				err := next(c)
				c.SetResponse(outer)
				if err != nil {
					return err
				}
				kept[url] = w
			}
			maps.Copy(c.Response().Header(), w.Header())
			return c.Blob(w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
		}
	}
}

// TestCompositionCatchesANaiveCache: the comparison above must be able to fail.
func TestCompositionCatchesANaiveCache(t *testing.T) {
	t.Parallel()
	blind := map[string]bool{"Gzip/false": true} // it keeps the plain body, and gzip stands outside of it
	for _, p := range parts() {
		for _, inside := range []bool{false, true} {
			switch p.name {
			case "Gzip", "CORS", "RequestID", "session", "JWT", "CSRF":
			default:
				continue
			}
			name := fmt.Sprintf("%s/%t", p.name, inside)
			found, _ := p.differences(t, naive, inside)
			// An id or a token from inside is made comparable above; two tests below look at it.
			if skip := blind[name] || p.name == "RequestID" && inside; !skip && len(found) == 0 {
				t.Errorf("%s: a naive cache went unnoticed", name)
			}
		}
	}
}
