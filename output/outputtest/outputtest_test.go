package outputtest_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/output/outputtest"
)

// app is an application in which some things can be wrong.
type app struct {
	*echo.Echo

	cache *echocache.Cache
	ran   map[string]int // handlers, by method and path
}

func newApp(t *testing.T) *app {
	t.Helper()
	cache, err := echocache.New(echocache.Config{User: func(c echo.Context) string { return c.Request().Header.Get("Authorization") }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	return &app{echo.New(), cache, map[string]int{}}
}

func (a *app) ok(c echo.Context) error {
	a.ran[c.Request().Method+" "+c.Request().URL.Path]++
	return c.String(http.StatusOK, "ok")
}

// strict takes decimal ids only, as they are written.
func (a *app) strict(c echo.Context) error {
	id := c.Param("id")
	if n, err := strconv.Atoi(id); err != nil || strconv.Itoa(n) != id {
		return echo.ErrNotFound
	}
	return a.ok(c)
}

// lax takes whatever can be read as a number.
func (a *app) lax(c echo.Context) error {
	if _, err := strconv.Atoi(strings.TrimSpace(c.Param("id"))); err != nil {
		return echo.ErrNotFound
	}
	return a.ok(c)
}

// signedIn is an authentication.
func signedIn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().Header.Get("Authorization") == "" {
			return echo.ErrUnauthorized
		}
		return next(c)
	}
}

func req(method, target string, authorization ...string) *http.Request {
	r := httptest.NewRequest(method, target, http.NoBody)
	for _, a := range authorization {
		r.Header.Set("Authorization", a)
	}
	return r
}

// right mounts everything as it should be.
func (a *app) right() []*http.Request {
	product := output.For(time.Minute).Public().Tag("product:{id}")
	a.GET("/products", a.ok, a.cache.Output(output.For(time.Minute).Public().Tag("catalog")))
	a.GET("/products/:id", a.strict, a.cache.Output(product))
	a.PUT("/products/:number", a.ok, a.cache.Evict("catalog", "product:{number}"), transaction)
	a.GET("/me", a.ok, signedIn, a.cache.Output(output.For(time.Minute).PerUser().Tag("me:{user}")))
	a.POST("/me", a.ok, signedIn, a.cache.Evict("me:{user}"))
	a.GET("/health", a.ok)
	return []*http.Request{
		req(http.MethodGet, "/products/7"), req(http.MethodPut, "/products/7"),
		req(http.MethodGet, "/me", "alice"), req(http.MethodPost, "/me", "alice"),
	}
}

// transaction opens one that is committed when the handler has returned.
func transaction(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set("tx", &sql.Tx{})
		return next(c)
	}
}

func kinds(findings []outputtest.Finding) []outputtest.Kind {
	var all []outputtest.Kind
	for _, f := range findings {
		all = append(all, f.Kind)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestCheckIsContentWithWhatIsRight(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	requests := a.right()
	outputtest.Check(t, a.Echo, requests...)
	if found := (outputtest.Checker{}).Examine(a.Echo, requests...); len(found) > 0 {
		t.Error(found)
	}
	for what := range a.ran {
		if !strings.HasPrefix(what, "GET ") {
			t.Errorf("the handler of %s has run", what)
		}
	}
}

// Each row has one mistake, and the finding names the route.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	tagged := output.For(time.Minute).Tag("product:{id}")
	for name, row := range map[string]struct {
		mount func(a *app) []*http.Request
		kind  outputtest.Kind
		text  string
	}{
		"a shared policy under authentication": {func(a *app) []*http.Request {
			a.GET("/mine", a.ok, signedIn, a.cache.Output(output.For(time.Minute)))
			return []*http.Request{req(http.MethodGet, "/mine", "alice")}
		}, outputtest.Shared, "GET /mine: shared policy under authentication: without credentials it answers 401"},
		"a public policy under authentication": {func(a *app) []*http.Request {
			a.GET("/mine", a.ok, signedIn, a.cache.Output(output.For(time.Minute).Public()))
			return []*http.Request{req(http.MethodGet, "/mine", "alice")}
		}, outputtest.Public, "GET /mine: "},
		"a tag that nobody evicts": {func(a *app) []*http.Request {
			a.GET("/lists", a.ok, a.cache.Output(output.For(time.Minute).Public().Tag("lists")))
			return nil
		}, outputtest.NeverEvicted, `GET /lists: tag that nobody evicts: no route that was examined evicts "lists"`},
		"an evicted tag that no page has": {func(a *app) []*http.Request {
			a.POST("/lists", a.ok, a.cache.Evict("list"))
			return []*http.Request{req(http.MethodPost, "/lists")}
		}, outputtest.EvictsNothing, `POST /lists: evicted tag that no page has: no policy has the tag "list"`},
		"ids with zeros before them": {func(a *app) []*http.Request {
			a.GET("/things/:id", a.lax, a.cache.Output(tagged.Public()))
			return []*http.Request{req(http.MethodGet, "/things/7")}
		}, outputtest.Spelling, `GET /things/:id: parameter with several spellings: /things/07 is answered as /things/7 is, and is tagged ["product:07"]`},
		"letters of either case": {func(a *app) []*http.Request {
			a.GET("/things/:id", a.ok, a.cache.Output(tagged.Public()))
			return []*http.Request{req(http.MethodGet, "/things/abc?x=1")}
		}, outputtest.Spelling, "GET /things/:id: parameter with several spellings: /things/ABC is answered as /things/abc is"},
		"an Evict inside a transaction": {func(a *app) []*http.Request {
			a.POST("/products", a.ok, transaction, a.cache.Evict("catalog"))
			return []*http.Request{req(http.MethodPost, "/products")}
		}, outputtest.Transaction, `POST /products: Evict inside a transaction: context value "tx" is a *sql.Tx`},
		"one in the request's context": {func(a *app) []*http.Request {
			type key struct{}
			a.POST("/products", a.ok, func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), key{}, &sql.Tx{})))
					return next(&custom{c})
				}
			}, a.cache.Evict("catalog"))
			return []*http.Request{req(http.MethodPost, "/products")}
		}, outputtest.Transaction, "POST /products: Evict inside a transaction: a value of the request's context is a *sql.Tx"},
		"what it cannot reach": {func(a *app) []*http.Request {
			a.GET("/closed", a.ok, signedIn, a.cache.Output(output.For(time.Minute)))
			return nil
		}, outputtest.Unreached, "GET /closed: not reached: it stands behind something that answered 401"},
		"a write without a request": {func(a *app) []*http.Request {
			a.DELETE("/products/:id", a.ok, a.cache.Evict("catalog"))
			return nil
		}, outputtest.Unexamined, "DELETE /products/:id: not examined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			found := outputtest.Checker{}.Examine(a.Echo, append(a.right(), row.mount(a)...)...)
			if got := kinds(found); !slices.Equal(got, []outputtest.Kind{row.kind}) {
				t.Errorf("it found %v", found)
			}
			if !slices.ContainsFunc(found, func(f outputtest.Finding) bool { return strings.HasPrefix(f.String(), row.text) }) {
				t.Errorf("it found %v", found)
			}
			failed := &recorder{TB: t}
			outputtest.Check(failed, a.Echo, append(a.right(), row.mount(a)...)...)
			note := row.kind == outputtest.Public || row.kind == outputtest.Unreached || row.kind == outputtest.Unexamined
			if (len(failed.errors) > 0) == note || (len(failed.logs) > 0) != note {
				t.Errorf("errors %q, logs %q", failed.errors, failed.logs)
			}
		})
	}
}

// custom is an application's own context.
type custom struct{ echo.Context }

// recorder is a test that only listens.
type recorder struct {
	testing.TB

	errors, logs []string
}

func (r *recorder) Helper()           {}
func (r *recorder) Error(args ...any) { r.errors = append(r.errors, fmt.Sprint(args...)) }
func (r *recorder) Log(args ...any)   { r.logs = append(r.logs, fmt.Sprint(args...)) }

// What handlers add and evict themselves can be told.
func TestCheckIgnores(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	requests := a.right()
	a.GET("/brands/:brand", a.ok, a.cache.Output(output.For(time.Minute).Public().Tag("brand:{brand}")))
	if found := (outputtest.Checker{}).Examine(a.Echo, requests...); len(found) != 1 {
		t.Errorf("%v", found)
	}
	if found := (outputtest.Checker{Ignore: []string{"brand:{name}"}}).Examine(a.Echo, requests...); len(found) != 0 {
		t.Errorf("%v", found)
	}
}
