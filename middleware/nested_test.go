package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// nestedPolicies are pairs of policies on a group and on its route.
func nestedPolicies() map[string][2]output.Policy {
	shared, public, per, off := output.For(hour), output.For(hour).Public(), output.For(hour).PerUser(), output.Off()
	return map[string][2]output.Policy{
		"same":                   {shared, shared},
		"different":              {shared, output.For(hour / 2).Tag("inner")},
		"off inside":             {public, off},
		"off outside":            {off, public},
		"per user inside public": {public, per},
		"public inside per user": {per, public},
		"per user inside shared": {shared, per},
		"shared inside public":   {public, shared},
		"shared inside per user": {per, shared},
		"fewer inputs inside":    {output.For(hour).Public().VaryQuery("a", "b"), output.For(hour).Public().VaryQuery("b")},
		"more inputs inside":     {output.For(hour).Public().VaryQuery("a"), output.For(hour).Public()},
	}
}

// nestedApp mounts a pair of policies. The page shows what the inner policy lets it see, and its number.
func nestedApp(t *testing.T, pair [2]output.Policy, user func(echo.Context) string, between ...echo.MiddlewareFunc) (*echo.Echo, *echocache.Cache, *atomic.Int64) {
	t.Helper()
	cache := newCache(t, echocache.Config{User: user})
	ran := new(atomic.Int64)
	e := newEcho()
	e.Use(authenticate)
	group := e.Group("/g", append([]echo.MiddlewareFunc{cache.Output(pair[0])}, between...)...)
	group.GET("/:id", func(c echo.Context) error {
		ran.Add(1)
		return c.String(http.StatusOK, fmt.Sprintf("page %s a=%s b=%s for <%s>",
			c.Param("id"), c.QueryParam("a"), c.QueryParam("b"), c.Get("name")))
	}, cache.Output(pair[1]))
	return e, cache, ran
}

// TestNestedInnerDecides: with a policy on the group and one on the route, all goes as if only the inner one were there;
// from the second request on the outer one is not even asked.
func TestNestedInnerDecides(t *testing.T) {
	t.Parallel()
	users := map[string]func(echo.Context) string{
		"from the context": func(c echo.Context) string { return c.Get("name").(string) },
		"from the request": userFromHeader,
	}
	for name, pair := range nestedPolicies() {
		for from, user := range users {
			t.Run(name+", user "+from, func(t *testing.T) {
				t.Parallel()
				nested, cache, ran := nestedApp(t, pair, user)
				single, _, want := nestedApp(t, [2]output.Policy{output.Off(), pair[1]}, user)
				asks := []string{"/g/1", "/g/1?a=1&b=2", "/g/1?a=9&b=2", "/g/2"}
				for round := range 3 {
					for _, ask := range asks {
						// A page that was called public although it names its reader is the application's mistake.
						readers := []string{"", "ada", "bob"}
						if strings.Contains(pair[1].String(), "Public") {
							readers = readers[:1]
						}
						for _, reader := range readers {
							a, b := get(t, single, ask, "X-User: "+reader), get(t, nested, ask, "X-User: "+reader)
							if a.Body.String() != b.Body.String() || verdict(a) != verdict(b) {
								t.Errorf("round %d, %s as %q: %q %s, with one policy %q %s",
									round, ask, reader, b.Body, verdict(b), a.Body, verdict(a))
							}
						}
					}
				}
				if ran.Load() != want.Load() {
					t.Errorf("the handler ran %d times, with one policy %d", ran.Load(), want.Load())
				}
				if met := cache.Outputs().Stats().Reasons["nested"]; met > 1 {
					t.Errorf("the outer policy stepped aside %d times; it is to learn the route", met)
				}
			})
		}
	}
}

// TestNestedConcurrentFirstRequests: whoever waits for the outer fill is let go when the inner one takes over. In a
// bubble a deadlock is a failure.
func TestNestedConcurrentFirstRequests(t *testing.T) {
	t.Parallel()
	for name, pair := range nestedPolicies() {
		for between, part := range map[string][]echo.MiddlewareFunc{"nothing": nil, "gzip": {middleware.Gzip()}} {
			t.Run(name+", between "+between, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					e, _, _ := nestedApp(t, pair, userFromHeader, part...)
					var done sync.WaitGroup
					bodies := make([]string, 12)
					for i := range bodies {
						done.Go(func() { bodies[i] = get(t, e, "/g/7?a=1&b=2").Body.String() })
					}
					done.Wait()
					for i, body := range bodies {
						if body == "" || body != bodies[0] {
							t.Errorf("request %d: %q, the first %q", i, body, bodies[0])
						}
					}
				})
			})
		}
	}
}

// TestNestedWithGzipBetween: what the inner policy keeps is plain, and each client gets what it can read. The first
// request of the route is not compressed: the outer policy hid its Accept-Encoding from what stands between.
func TestNestedWithGzipBetween(t *testing.T) {
	t.Parallel()
	e, _, ran := nestedApp(t, [2]output.Policy{output.For(hour), output.For(hour)}, nil, middleware.Gzip())
	for i, row := range []struct{ asks, gets string }{{"gzip", ""}, {"", ""}, {"gzip", "gzip"}, {"", ""}, {"gzip", "gzip"}} {
		w := get(t, e, "/g/7", "Accept-Encoding: "+row.asks)
		if got := w.Header().Get("Content-Encoding"); got != row.gets || strings.HasPrefix(w.Body.String(), "page") != (row.gets == "") {
			t.Errorf("request %d: %q, body %q; want %q", i+1, got, w.Body, row.gets)
		}
	}
	if ran.Load() != 1 {
		t.Errorf("the handler ran %d times", ran.Load())
	}
}

// TestNestedUserIsReadFromTheRequest names I-4: a User function, or a value, that reads the request finds the client's,
// not what the outer policy left of it. Else the first user under the group's policy would be nobody to the route's,
// and their page would be kept for all.
func TestNestedUserIsReadFromTheRequest(t *testing.T) {
	t.Parallel()
	inner := map[string]output.Policy{
		"shared": output.For(hour), "per user": output.For(hour).PerUser(), "per tenant": output.For(hour).Public().VaryValue("tenant"),
	}
	for name, policy := range inner {
		cache := newCache(t, echocache.Config{
			User:   userFromHeader,
			Values: map[string]func(echo.Context) string{"tenant": userFromHeader},
		})
		e := newEcho()
		e.Use(authenticate)
		e.Group("/g", cache.Output(output.For(hour).Public())).GET("", whoami, cache.Output(policy))
		for _, user := range []string{"ada", "bob", "ada", ""} {
			if got := get(t, e, "/g", "X-User: "+user).Body.String(); got != "for <"+user+">" {
				t.Errorf("%s: %q got %q", name, user, got)
			}
		}
	}
}

// TestHandlerAsksAnotherCachedHandler: a page made of parts, which are asked for under the page's own context. Parts
// are kept, the page is not: it would outlive their tags. A page that asks for itself does not wait for itself.
func TestHandlerAsksAnotherCachedHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		price, parts := "1", 0
		e.GET("/part", func(c echo.Context) error {
			parts++
			return c.String(http.StatusOK, "price "+price)
		}, cache.Output(output.For(hour).Tag("price")))
		include := func(c echo.Context, target string) string {
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequestWithContext(c.Request().Context(), http.MethodGet, target, http.NoBody))
			return w.Body.String()
		}
		e.GET("/page", func(c echo.Context) error {
			return c.String(http.StatusOK, "page with "+include(c, "/part"))
		}, cache.Output(output.For(hour)))
		depth := 0
		e.GET("/self", func(c echo.Context) error {
			if depth++; depth > 1 {
				return c.String(http.StatusOK, "the end")
			}
			return c.String(http.StatusOK, "self with "+include(c, "/self"))
		}, cache.Output(output.For(hour)))

		for _, want := range []string{"1", "1", "2"} {
			if want == "2" {
				price = "2"
				if err := cache.Outputs().Evict(t.Context(), "price"); err != nil {
					t.Fatal(err)
				}
			}
			if got := get(t, e, "/page").Body.String(); got != "page with price "+want {
				t.Errorf("%q, want price %s", got, want)
			}
		}
		if parts != 2 {
			t.Errorf("the part was made %d times", parts)
		}
		if got := get(t, e, "/self").Body.String(); got != "self with the end" {
			t.Errorf("%q", got)
		}
	})
}

// TestTwoCachesOnOneRoute: the policies of two different caches meet as two of one do.
func TestTwoCachesOnOneRoute(t *testing.T) {
	t.Parallel()
	outer, inner := newCache(t, echocache.Config{}), newCache(t, echocache.Config{})
	e := newEcho()
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "page") },
		outer.Output(output.For(hour)), inner.Output(output.For(hour)))
	wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/") }, "stored", "hit", "hit")
	if o, i := outer.Outputs().Stats(), inner.Outputs().Stats(); o.Hits+o.Stored != 0 || i.Hits != 2 || i.Stored != 1 {
		t.Errorf("outer %+v, inner %+v", o, i)
	}
}
