package middleware_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// TestRequestIDIsEachRequestsOwn: an id that was made inside of Output goes to the request it was made for, and a hit
// has none; one that was made outside is there on every answer and never twice.
func TestRequestIDIsEachRequestsOwn(t *testing.T) {
	t.Parallel()
	ids := func(cached echo.MiddlewareFunc, inside bool) []string {
		e := newEcho()
		hello := func(c echo.Context) error { return c.String(http.StatusOK, "hello") }
		if inside {
			e.GET("/", hello, cached, requestID())
		} else {
			e.GET("/", hello, requestID(), cached)
		}
		var all []string
		for range 3 {
			all = append(all, get(t, e, "/").Header().Get("X-Request-Id"))
		}
		return append(all, get(t, e, "/", "X-Request-Id: mine").Header().Get("X-Request-Id"))
	}
	for _, row := range []struct {
		name   string
		inside bool
		want   []string
		broken []string // what a naive cache makes of it
	}{
		{"outside", false, []string{"id-1", "id-2", "id-3", "mine"}, []string{"id-1", "id-1", "id-1", "id-1"}},
		{"inside", true, []string{"id-1", "", "", ""}, []string{"id-1", "id-1", "id-1", "id-1"}},
	} {
		cache := newCache(t, echocache.Config{})
		if d := cmp.Diff(row.want, ids(cache.Output(output.For(hour)), row.inside)); d != "" {
			t.Errorf("%s: -want +got\n%s", row.name, d)
		}
		if d := cmp.Diff(row.broken, ids(naive(output.Policy{}), row.inside)); d != "" {
			t.Errorf("%s, the naive cache: -want +got\n%s", row.name, d)
		}
	}
}

// csrfForm is a page with a form that holds the client's token, as templates do.
func csrfForm(c echo.Context) error {
	token, _ := c.Get("csrf").(string)
	return c.HTML(http.StatusOK, `<input name="csrf" value="`+token+`">`)
}

// sharedTokens asks for a form with three clients and returns every token that was shown in the form of another, or
// that stands in an answer that was kept.
func sharedTokens(t *testing.T, chain ...echo.MiddlewareFunc) []string {
	t.Helper()
	e := newEcho()
	e.GET("/form", csrfForm, chain...)
	seen := map[string]bool{}
	var shared []string
	for range 3 {
		w := get(t, e, "/form")
		_, after, _ := strings.Cut(w.Body.String(), `value="`)
		token, _, _ := strings.Cut(after, `"`)
		if token != "" && (seen[token] || verdict(w) == "hit" || verdict(w) == "stored") {
			shared = append(shared, token)
		}
		seen[token] = true
		if cookie := w.Header().Get("Set-Cookie"); seen[cookie] || cookie == "" {
			shared = append(shared, cookie)
		} else {
			seen[cookie] = true
		}
	}
	return shared
}

// TestCSRF names I-3: a form's token is never kept, wherever Echo's CSRF middleware stands, and the token's cookie is
// each client's own.
func TestCSRF(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]output.Policy{"shared": output.For(hour), "public": output.For(hour).Public()} {
		for _, inside := range []bool{false, true} {
			cache := newCache(t, echocache.Config{})
			chain := []echo.MiddlewareFunc{middleware.CSRF(), cache.Output(policy)}
			if inside {
				chain[0], chain[1] = chain[1], chain[0]
			}
			if shared := sharedTokens(t, chain...); len(shared) > 0 {
				t.Errorf("%s, inside=%t: shared %q", name, inside, shared)
			}
		}
	}
	if len(sharedTokens(t, middleware.CSRF(), naive(output.Policy{}))) == 0 {
		t.Error("a naive cache went unnoticed")
	}
	// The mutant of this very invariant: a cache that was told to hide nothing.
	careless := newCache(t, echocache.Config{PerClient: []string{}})
	if len(sharedTokens(t, middleware.CSRF(), careless.Output(output.For(hour)))) == 0 {
		t.Error("a cache that does not hide the token went unnoticed")
	}
}

// TestPerClientValues: the keys are the application's to name, they show again after the fill and where the request
// bypasses, and what else is in the context stays.
func TestPerClientValues(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{PerClient: []string{"nonce", "absent"}})
	e := newEcho()
	after := []any{}
	e.GET("/", func(c echo.Context) error {
		_, bound := c.Get("absent").(string)
		return c.String(http.StatusOK, fmt.Sprint(c.Get("nonce"), c.Get("theme"), bound))
	}, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Set("nonce", "n-1")
			c.Set("theme", "dark")
			defer func() { after = append(after, c.Get("nonce"), c.Get("theme"), c.Get("absent")) }()
			return next(c)
		}
	}, cache.Output(output.For(hour)))
	for i, row := range []struct {
		header, body string
	}{
		{"X-A: 1", "<nil> dark false"},
		{"X-A: 1", "<nil> dark false"},
		{"Authorization: Bearer ada", "n-1 dark false"}, // bypasses
	} {
		want := strings.ReplaceAll(row.body, " ", "")
		if got := strings.ReplaceAll(get(t, e, "/", row.header).Body.String(), " ", ""); got != want {
			t.Errorf("request %d shows %q, want %q", i+1, got, want)
		}
	}
	if d := cmp.Diff([]any{"n-1", "dark", nil, "n-1", "dark", nil, "n-1", "dark", nil}, after); d != "" {
		t.Errorf("after the cache: -want +got\n%s", d)
	}
}

// TestLoggerSeesEveryRequest: a log that stands outside names the URL the client sent, query included, and the status
// of a hit, although the handler did not run.
func TestLoggerSeesEveryRequest(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	var lines []string
	e.Use(middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		LogURI: true, LogStatus: true, LogRoutePath: true, LogResponseSize: true,
		LogValuesFunc: func(_ echo.Context, v middleware.RequestLoggerValues) error {
			lines = append(lines, fmt.Sprint(v.URI, " ", v.RoutePath, " ", v.Status, " ", v.ResponseSize))
			return nil
		},
	}))
	e.GET("/p/:id", func(c echo.Context) error { return c.String(http.StatusOK, "hello") },
		cache.Output(output.For(hour).VaryQuery("page")))
	get(t, e, "/p/7?page=2&utm=mail")
	get(t, e, "/p/7?page=2&utm=paper")
	want := []string{"/p/7?page=2&utm=mail /p/:id 200 5", "/p/7?page=2&utm=paper /p/:id 200 5"}
	if d := cmp.Diff(want, lines); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if hits := cache.Outputs().Stats().Hits; hits != 1 {
		t.Errorf("%d hits", hits)
	}
}
