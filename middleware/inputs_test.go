package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// mark is in everything of a request that no policy declares. No handler may see it while it fills.
const mark = "MARK"

// reveal answers with all that a handler can learn of its client by Echo's own means.
func reveal(c echo.Context) error {
	r := c.Request()
	var bound struct {
		Secret string `query:"secret" form:"secret" header:"X-Secret" json:"secret"`
		Shown  string `query:"shown"`
	}
	bindErr := c.Bind(&bound)
	cookie := ""
	if k, err := c.Cookie("secret"); err == nil {
		cookie = k.Value
	}
	body, _ := io.ReadAll(r.Body)
	form, _ := c.FormParams()
	return c.JSON(http.StatusOK, map[string]any{
		"QueryParam": c.QueryParam("secret"), "QueryParams": c.QueryParams(), "QueryString": c.QueryString(),
		"FormValue": c.FormValue("secret"), "FormParams": form, "Bind": bound, "BindErr": bindErr == nil,
		"Cookie": cookie, "Cookies": len(c.Cookies()), "Header": r.Header, "URL": r.URL.String(), "RequestURI": r.RequestURI,
		"RealIP": c.RealIP(), "RemoteAddr": r.RemoteAddr, "Scheme": c.Scheme(), "Referer": r.Referer(), "Body": string(body),
		"shown": c.QueryParam("shown"), "Proto": r.Proto,
	})
}

// marked is a request full of marks, with two things that are declared.
func marked(tb testing.TB) *http.Request {
	tb.Helper()
	r := request(tb, http.MethodGet, "/reveal?secret="+mark+"&shown=yes&"+mark+"=1",
		"X-Secret: "+mark, "Cookie: secret="+mark+"; kept=cookie", "Referer: https://"+mark+".example/",
		"User-Agent: "+mark, "X-Real-Ip: "+mark, "X-Forwarded-For: "+mark, "Accept-Language: de", "Accept: text/"+mark,
		"X-Forwarded-Host: "+mark, "Content-Type: application/"+mark)
	r.RemoteAddr = "203.0.113.77:4711"
	return r
}

// revealPolicy declares the rest.
func revealPolicy() output.Policy {
	return output.For(hour).Public().VaryQuery("shown").VaryCookie("kept").VaryHeader("Accept-Language")
}

// readsQuery reads one parameter, as many outer middlewares do. From then on Echo keeps the parsed query for good.
func readsQuery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.QueryParam("secret") != mark {
			return errors.New("the outer middleware sees less than the client sent")
		}
		return next(c)
	}
}

// leak asks the application twice and returns what of the undeclared a handler has seen, or "".
func leak(t *testing.T, e *echo.Echo) string {
	t.Helper()
	for range 2 {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, marked(t))
		if w.Code != http.StatusOK {
			return "no answer: " + w.Body.String()
		}
		var seen map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &seen); err != nil {
			t.Fatal(err)
		}
		if seen["shown"] != "yes" || !strings.Contains(w.Body.String(), `"Accept-Language":["de"]`) ||
			!strings.Contains(w.Body.String(), "kept=cookie") {
			return "what is declared is hidden: " + w.Body.String()
		}
		for name, value := range seen {
			text, _ := json.Marshal(value)
			if strings.Contains(string(text), mark) || strings.Contains(string(text), "203.0.113.77") {
				return name + ": " + string(text)
			}
		}
	}
	return ""
}

// TestUndeclaredInputsAreHidden names I-3.
func TestUndeclaredInputsAreHidden(t *testing.T) {
	t.Parallel()
	for name, outer := range map[string][]echo.MiddlewareFunc{"plain": nil, "query read before": {readsQuery}} {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		e.GET("/reveal", reveal, append(outer, cache.Output(revealPolicy()))...)
		if seen := leak(t, e); seen != "" {
			t.Errorf("%s: %s", name, seen)
		}
		if s := cache.Outputs().Stats(); s.Hits != 1 || s.Stored != 1 {
			t.Errorf("%s: %d hits, %d stored", name, s.Hits, s.Stored)
		}
	}
}

// TestInputsOfARequestThatFillsForItselfOnly: what is not worth keeping now may be kept the next time, so the handler
// sees as little as in any fill.
func TestInputsOfARequestThatFillsForItselfOnly(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.GET("/reveal", func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "no-store")
		return reveal(c)
	}, readsQuery, cache.Output(revealPolicy()))
	if seen := leak(t, e); seen != "" {
		t.Error(seen)
	}
	if s := cache.Outputs().Stats(); s.Stored != 0 || s.Reasons["uncacheable"] == 0 {
		t.Errorf("%+v", s.Reasons)
	}
}

// leakyDoor is a mutant: a door to Echo that forgets to hide something.
type leakyDoor struct {
	c       echo.Context
	next    echo.HandlerFunc
	forgets string
}

func (d *leakyDoor) Route() string               { return d.c.Path() }
func (d *leakyDoor) Scheme(bool) string          { return d.c.Scheme() }
func (d *leakyDoor) User() string                { return "" }
func (d *leakyDoor) Param(string) (string, bool) { return "", false }
func (d *leakyDoor) Value(string) (string, bool) { return "", false }
func (d *leakyDoor) Next(r *http.Request) error  { return d.Fill(&output.Fill{Request: r}) }
func (d *leakyDoor) Unhide()                     {}
func (d *leakyDoor) ErrorStatus(error) int       { return http.StatusInternalServerError }
func (d *leakyDoor) Scratch() *output.Scratch    { return new(output.Scratch) }
func (d *leakyDoor) Reveal(*http.Request)        {}
func (d *leakyDoor) Again() (http.Handler, *http.Request) {
	return d.c.Echo(), d.c.Request().Clone(context.Background())
}
func (d *leakyDoor) Fill(f *output.Fill) error {
	response := d.c.Response()
	if f.Writer != nil {
		d.c.SetResponse(echo.NewResponse(f.Writer, d.c.Echo()))
		defer d.c.SetResponse(response)
	}
	original := d.c.Request()
	defer d.c.SetRequest(original)
	if d.forgets != "request" {
		d.c.SetRequest(f.Request)
	}
	if d.forgets != "query map" {
		query := d.c.QueryParams()
		clear(query)
		shown, _ := url.ParseQuery(f.Request.URL.RawQuery)
		maps.Copy(query, shown)
	}
	return d.next(d.c)
}

// TestLeakyDoorsAreCaught: the assertion above finds a door that forgets the query map that Echo has parsed before, or
// the request itself. The same door with nothing forgotten passes, so it is not another mistake that is found.
func TestLeakyDoorsAreCaught(t *testing.T) {
	t.Parallel()
	for forgets, wantLeak := range map[string]bool{"query map": true, "request": true, "": false} {
		outputs, err := output.New(output.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = outputs.Close() })
		mount, err := outputs.Mount(revealPolicy(), output.Door{})
		if err != nil {
			t.Fatal(err)
		}
		e := newEcho()
		reached := false
		e.GET("/reveal", reveal, func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				_ = c.QueryParam("secret")
				reached = true
				return mount.Serve(c.Response(), c.Request(), &leakyDoor{c, next, forgets})
			}
		})
		if seen := leak(t, e); (seen != "") != wantLeak || !reached {
			t.Errorf("forgets %q: leak found: %q", forgets, seen)
		}
	}
}

// App is a context type of an application's own, as Echo's guide shows.
type App struct {
	echo.Context

	tenant string
}

// TestCustomContextSurvives: the handler gets the application's own context, during a fill as ever.
func TestCustomContextSurvives(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{
		Values: map[string]func(echo.Context) string{"tenant": func(c echo.Context) string { return c.(*App).tenant }},
	})
	e := newEcho()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return next(&App{c, c.Request().Header.Get("X-Tenant")}) }
	})
	ran := 0
	e.GET("/", func(c echo.Context) error {
		ran++
		app, ok := c.(*App)
		if !ok {
			return errors.New("the context is another")
		}
		return app.String(http.StatusOK, app.tenant+app.QueryParam("q")+app.Request().Header.Get("X-Tenant"))
	}, cache.Output(output.For(hour).VaryValue("tenant")))
	for _, row := range []struct{ tenant, verdict, body string }{
		{"a", "stored", "a1"}, {"a", "hit", "a1"}, {"b", "stored", "b1"}, {"b", "hit", "b1"},
		{"", "bypass:no-value", "1"},
	} {
		w := get(t, e, "/?q=1", "X-Tenant: "+row.tenant)
		if w.Body.String() != row.body || verdict(w) != row.verdict {
			t.Errorf("%q: %q, %q; want %q, %q", row.tenant, w.Body, verdict(w), row.body, row.verdict)
		}
	}
	if ran != 3 {
		t.Errorf("the handler ran %d times", ran)
	}
}

// TestEverythingIsRestored: whatever way a request goes, outer middleware finds request, response, query and context
// values as it left them.
func TestEverythingIsRestored(t *testing.T) {
	t.Parallel()
	type state struct {
		request  *http.Request
		response *echo.Response
		writer   http.ResponseWriter
		query    string
		csrf     any
	}
	var before, after state
	snapshot := func(c echo.Context) state {
		return state{c.Request(), c.Response(), c.Response().Writer, c.QueryParams().Encode(), c.Get("csrf")}
	}
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.Use(quietRecover(), func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Set("csrf", "token")
			before = snapshot(c)
			defer func() { after = snapshot(c) }()
			return next(c)
		}
	})
	mess := func(c echo.Context) error {
		c.SetRequest(c.Request().Clone(c.Request().Context()))
		c.QueryParams().Set("added", "by the handler")
		switch c.Param("way") {
		case "error":
			return echo.NewHTTPError(http.StatusNotFound)
		case "panic":
			panic("on purpose")
		case "flush":
			_ = c.String(http.StatusOK, "one")
			c.Response().Flush()
			return nil
		case "nothing":
			return nil
		case "large":
			return c.Blob(http.StatusOK, "text/plain", make([]byte, 2<<20))
		default:
			return c.String(http.StatusOK, "ok")
		}
	}
	group := e.Group("/group", cache.Output(output.For(hour).VaryQuery("a")))
	group.GET("/:way", mess)
	group.GET("/inner/:way", mess, cache.Output(output.For(hour).VaryQuery("b")))
	for _, prefix := range []string{"/group/", "/group/inner/"} {
		for _, way := range []string{"ok", "error", "panic", "flush", "nothing", "large"} {
			for range 2 {
				get(t, e, prefix+way+"?b=2&a=1&secret=x")
				if before.request == nil || after != before {
					t.Errorf("%s%s: before %+v, after %+v", prefix, way, before, after)
				}
				before, after = state{}, state{}
			}
		}
	}
	e.GET("/bypass", func(c echo.Context) error {
		return c.String(http.StatusOK, c.QueryParam("secret"))
	}, cache.Output(output.For(hour)))
	if w := get(t, e, "/bypass?secret=x", "Authorization: Basic x"); after != before || w.Body.String() != "x" {
		t.Errorf("bypass: before %+v, after %+v, body %q", before, after, w.Body)
	}
}

// TestSchemeIsAsWithoutACache: behind a proxy that ends TLS the handler computes https while it fills, and http and
// https are pages of their own.
func TestSchemeIsAsWithoutACache(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, c.Scheme()) }, cache.Output(output.For(hour)))
	ask := func(peer string, headers ...string) string {
		r := request(t, http.MethodGet, "/", headers...)
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Body.String() + " " + verdict(w)
	}
	var got []string
	const near, far = "10.0.0.1:1", "203.0.113.1:1"
	for range 2 {
		got = append(got, ask(near), ask(near, "X-Forwarded-Proto: https"), ask(far, "X-Forwarded-Proto: https"), ask(near, "X-Forwarded-Ssl: on"))
	}
	want := []string{
		"http stored", "https stored", "http hit", "https hit",
		"http hit", "https hit", "http hit", "https hit",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
