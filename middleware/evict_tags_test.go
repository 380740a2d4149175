package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// tagged is an application with a log of what is evicted.
func tagged(t *testing.T, c echocache.Config) (*echo.Echo, *echocache.Cache, *tagLog) {
	t.Helper()
	backend := newFakeBackend(t)
	tags := &tagLog{}
	backend.onEvict = tags.evict
	return newEcho(), newCacheOver(t, backend, c), tags
}

func noContent(c echo.Context) error { return c.NoContent(http.StatusNoContent) }

// TestEvictTemplates: names in tags are filled in from the unescaped parameter, a value, or the user.
func TestEvictTemplates(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, template, target string
		want                   string
	}{
		{"plain", "catalog", "/products/7", "catalog"},
		{"parameter", "product:{id}", "/products/7", "product:7"},
		{"escaped", "product:{id}", "/products/Acme%20Co%2FInc", "product:Acme Co/Inc"},
		{"escaped otherwise", "product:{id}", "/products/%37", "product:7"},
		{"slash", "product:{id}", "/products/a/b", "product:a/b"},
		{"user", "orders:{user}", "/products/7", "orders:ada"},
		{"value", "{tenant}:{id}", "/products/7", "acme:7"},
		{"unknown: everything", "product:{sku}", "/products/7", "*echocache"},
	} {
		e, cache, tags := tagged(t, echocache.Config{
			User:   userFromHeader,
			Values: map[string]func(echo.Context) string{"tenant": func(echo.Context) string { return "acme" }},
		})
		logged := &bytes.Buffer{}
		e.Logger.SetOutput(logged)
		e.PUT("/products/:id", noContent, cache.Evict(row.template))
		send(t, e, http.MethodPut, row.target, "X-User: ada")
		if d := cmp.Diff([][]string{{row.want}, {row.want}}, tags.take()); d != "" {
			t.Errorf("%s: -want +got\n%s", row.name, d)
		}
		if unknown := strings.HasPrefix(row.want, "*"); unknown != strings.Contains(logged.String(), "{sku}") {
			t.Errorf("%s: logged %q", row.name, logged)
		}
	}
}

// TestEvictMeetsOutput: both sides fill in the same template to the same tag, and a neighbour stays.
func TestEvictMeetsOutput(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{User: userFromHeader})
	e := newEcho()
	page := func(c echo.Context) error { return c.String(http.StatusOK, c.Param("id")) }
	e.GET("/brands/:id", page, cache.Output(output.For(hour).Public().Tag("brand:{id}")))
	e.PUT("/brands/:id", noContent, cache.Evict("brand:{id}"))
	e.GET("/orders/:id", page, cache.Output(output.For(hour).PerUser().Tag("orders:{user}")))
	e.PUT("/orders/:id", noContent, cache.Evict("orders:{user}"))
	paths := []string{"/brands/7", "/brands/Acme%20Co%2FInc", "/brands/Acme%20Co", "/orders/1", "/orders/2"}
	for _, row := range []struct {
		write string
		lost  []string
	}{
		{"/brands/7", []string{"/brands/7"}},
		{"/brands/Acme%20Co%2FInc", []string{"/brands/Acme%20Co%2FInc"}},
		{"/orders/1", []string{"/orders/1", "/orders/2"}},
	} {
		for _, path := range paths {
			get(t, e, path, "X-User: ada")
		}
		get(t, e, "/orders/1", "X-User: bob")
		send(t, e, http.MethodPut, row.write, "X-User: ada")
		var lost []string
		for _, path := range paths {
			if verdict(get(t, e, path, "X-User: ada")) != "hit" {
				lost = append(lost, path)
			}
		}
		if d := cmp.Diff(row.lost, lost); d != "" {
			t.Errorf("PUT %s: -want +got\n%s", row.write, d)
		}
		if got := verdict(get(t, e, "/orders/1", "X-User: bob")); got != "hit" {
			t.Errorf("PUT %s: another user's page: %s", row.write, got)
		}
	}
}

// TestEvictFromTheHandler: echocache.Evict adds to the route's Evict, or is carried out where Attach stands; without
// both it does nothing and says so. The innermost cache wins.
func TestEvictFromTheHandler(t *testing.T) {
	t.Parallel()
	handler := func(c echo.Context) error {
		echocache.Evict(c, "mine", "* reserved", "more")
		return noContent(c)
	}
	type chain = []func(outer, inner *echocache.Cache) echo.MiddlewareFunc
	attachOuter := func(outer, _ *echocache.Cache) echo.MiddlewareFunc { return outer.Attach() }
	attachInner := func(_, inner *echocache.Cache) echo.MiddlewareFunc { return inner.Attach() }
	routeInner := func(_, inner *echocache.Cache) echo.MiddlewareFunc { return inner.Evict("route") }
	routeOuter := func(outer, _ *echocache.Cache) echo.MiddlewareFunc { return outer.Evict("route") }
	both := func(tags ...string) [][]string { return [][]string{tags, tags} }
	for _, row := range []struct {
		name         string
		chain        chain
		outer, inner [][]string
		logged       string
	}{
		{"Attach", chain{attachOuter}, both("mine", "more"), nil, "refuses"},
		{"the route's own", chain{routeInner}, nil, both("mine", "more", "route"), "refuses"},
		{"both, one cache", chain{attachInner, routeInner}, nil, both("mine", "more", "route"), "refuses"},
		{"two caches, attached", chain{attachOuter, attachInner}, nil, both("mine", "more"), "refuses"},
		{"two caches, one on the route", chain{routeOuter, attachInner}, both("route"), both("mine", "more"), "refuses"},
		{"two caches, both on the route", chain{routeOuter, routeInner}, both("route"), both("mine", "more", "route"), "refuses"},
		{"neither", nil, nil, nil, "neither Attach nor Evict is mounted"},
	} {
		e, outer, outerTags := tagged(t, echocache.Config{})
		_, inner, innerTags := tagged(t, echocache.Config{})
		logged := &bytes.Buffer{}
		e.Logger.SetOutput(logged)
		var all []echo.MiddlewareFunc
		for _, m := range row.chain {
			all = append(all, m(outer, inner))
		}
		e.POST("/", handler, all...)
		send(t, e, http.MethodPost, "/")
		if d := cmp.Diff(row.outer, outerTags.take()); d != "" {
			t.Errorf("%s, outer: -want +got\n%s", row.name, d)
		}
		if d := cmp.Diff(row.inner, innerTags.take()); d != "" {
			t.Errorf("%s, inner: -want +got\n%s", row.name, d)
		}
		if !strings.Contains(logged.String(), row.logged) {
			t.Errorf("%s: logged %q", row.name, logged)
		}
	}
}

// TestAttachCostsAReadNothing: where no handler evicts, nothing is.
func TestAttachCostsAReadNothing(t *testing.T) {
	t.Parallel()
	e, cache, tags := tagged(t, echocache.Config{})
	e.Use(cache.Attach())
	e.GET("/", noContent, cache.Output(output.For(hour)))
	e.POST("/fails", func(echo.Context) error { return errors.New("on purpose") })
	get(t, e, "/")
	get(t, e, "/")
	send(t, e, http.MethodPost, "/fails")
	if calls := tags.take(); len(calls) > 0 {
		t.Errorf("evicted %q", calls)
	}
}

// TestEvictSkipper: a skipped request evicts nothing; the route's skipper replaces the cache's.
func TestEvictSkipper(t *testing.T) {
	t.Parallel()
	e, cache, tags := tagged(t, echocache.Config{Skipper: func(c echo.Context) bool { return c.QueryParam("skip") != "" }})
	own, err := echocache.EvictConfig{Cache: cache, Tags: []string{"t"}, Skipper: func(echo.Context) bool { return false }}.ToMiddleware()
	if err != nil {
		t.Fatal(err)
	}
	e.POST("/default", noContent, cache.Evict("t"))
	e.POST("/own", noContent, own)
	for target, want := range map[string]int{"/default": 2, "/default?skip=1": 0, "/own?skip=1": 2} {
		send(t, e, http.MethodPost, target)
		if got := len(tags.take()); got != want {
			t.Errorf("%s: %d evictions, want %d", target, got, want)
		}
	}
}

// errDown is what a backend says that does not confirm.
var errDown = errors.New("the backend is down")

// TestEvictUnconfirmed names I-7: if the backend does not confirm, the answer goes out as it is; with Strict it becomes
// a 503 without a body before its first byte, unless that has left.
func TestEvictUnconfirmed(t *testing.T) {
	t.Parallel()
	answer := func(c echo.Context) error {
		c.SetCookie(&http.Cookie{Name: "a", Value: "b"})
		c.Response().Header().Set("Location", "/products/7")
		return c.JSON(http.StatusCreated, "made")
	}
	for _, row := range []struct {
		name    string
		handler echo.HandlerFunc
		strict  bool
		code    int
		body    string
	}{
		{"lenient", answer, false, http.StatusCreated, "\"made\"\n"},
		{"strict", answer, true, http.StatusServiceUnavailable, ""},
		{"strict, no content", noContent, true, http.StatusServiceUnavailable, ""},
		{"strict, refused anyway", func(echo.Context) error { return echo.ErrForbidden }, true, http.StatusForbidden, "{\"message\":\"Forbidden\"}\n"},
		{"strict, failed anyway", func(echo.Context) error { return errors.New("broken") }, true, http.StatusServiceUnavailable, ""},
		{"strict, nothing written", func(echo.Context) error { return nil }, true, http.StatusServiceUnavailable, ""},
		{"strict, flushed", func(c echo.Context) error {
			c.Response().WriteHeader(http.StatusOK)
			c.Response().Flush()
			_, err := c.Response().Write([]byte("more"))
			return err
		}, true, http.StatusServiceUnavailable, ""},
	} {
		backend := newFakeBackend(t)
		backend.onEvict = func(context.Context, []string) error { return errDown }
		cache := newCacheOver(t, backend, echocache.Config{})
		m, err := echocache.EvictConfig{Cache: cache, Tags: []string{"t"}, Strict: row.strict}.ToMiddleware()
		if err != nil {
			t.Fatal(err)
		}
		e := newEcho()
		e.POST("/", row.handler, m)
		w := send(t, e, http.MethodPost, "/")
		if w.Code != row.code || w.Body.String() != row.body {
			t.Errorf("%s: %d %q, want %d %q", row.name, w.Code, w.Body, row.code, row.body)
		}
		if w.Code == http.StatusServiceUnavailable && row.body == "" {
			h := w.Header()
			if h.Get("Content-Length") != "0" || h.Get("Location") != "" || h.Get("Set-Cookie") != "" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v", row.name, h)
			}
		}
		if cache.Outputs().Stats().Unproven == 0 && row.code != http.StatusForbidden {
			t.Errorf("%s: not counted", row.name)
		}
	}
}

// TestStrictAfterTheFirstByte: the second moment fails when the answer has left. There is nothing to be done but to let
// it be, and to count it.
func TestStrictAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	backend := newFakeBackend(t)
	calls := 0
	backend.onEvict = func(context.Context, []string) error {
		if calls++; calls > 1 {
			return errDown
		}
		return nil
	}
	cache := newCacheOver(t, backend, echocache.Config{})
	m, err := echocache.EvictConfig{Cache: cache, Tags: []string{"t"}, Strict: true}.ToMiddleware()
	if err != nil {
		t.Fatal(err)
	}
	e := newEcho()
	e.POST("/", func(c echo.Context) error { return c.String(http.StatusOK, "done") }, m)
	w := send(t, e, http.MethodPost, "/")
	if w.Code != http.StatusOK || w.Body.String() != "done" || calls != 2 || cache.Outputs().Stats().Unproven != 1 {
		t.Errorf("%d %q after %d calls, %+v", w.Code, w.Body, calls, cache.Outputs().Stats())
	}
}

// TestClientCannotCancelAnEviction: it left; what it wrote is written nevertheless.
func TestClientCannotCancelAnEviction(t *testing.T) {
	t.Parallel()
	backend := newFakeBackend(t)
	var seen []error
	bounded := true
	backend.onEvict = func(ctx context.Context, _ []string) error {
		seen = append(seen, ctx.Err())
		_, has := ctx.Deadline()
		bounded = bounded && has
		return ctx.Err()
	}
	cache := newCacheOver(t, backend, echocache.Config{})
	e := newEcho()
	ctx, cancel := context.WithCancel(t.Context())
	e.POST("/", func(c echo.Context) error {
		cancel()
		return c.NoContent(http.StatusNoContent)
	}, cache.Evict("t"))
	e.ServeHTTP(httptest.NewRecorder(), request(t, http.MethodPost, "/").WithContext(ctx))
	if len(seen) != 2 || seen[0] != nil || seen[1] != nil || !bounded || ctx.Err() == nil {
		t.Errorf("the backend saw %v, bounded %t", seen, bounded)
	}
}
