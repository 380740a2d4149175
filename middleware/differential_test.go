package middleware_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// The same application with and without a cache must say the same, whatever it is asked. What it shows is a function of
// what the policies declare, as a page that is cached must be; the test is that nothing else about an answer changes:
// routing, escapes, errors, methods, odd headers. But for a Range, which the cache honours where these handlers do not: then
// the parts must be those of the whole.

// diffApp mounts the routes, through out for those that are cached.
func diffApp(out func(output.Policy) echo.MiddlewareFunc) *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	show := func(c echo.Context) error {
		query := c.QueryParams()
		names := slices.Sorted(maps.Keys(query))
		fmt.Fprintf(c.Response(), "%s %s %q %q", c.Path(), c.Request().URL.EscapedPath(), c.ParamValues(), c.Request().Host)
		for _, name := range names {
			fmt.Fprintf(c.Response(), " %q=%q", name, query[name])
		}
		return nil
	}
	whole := output.For(60e9).Public().Tag("all")
	e.GET("/whole/:id", show, out(whole))
	e.GET("/rest/*", show, out(whole))
	e.GET("/one/:id", func(c echo.Context) error {
		return c.JSON(http.StatusOK, map[string]string{"id": c.Param("id"), "q": c.QueryParam("q")})
	}, out(output.For(60e9).Public().VaryQuery("q").Tag("one:{id}")))
	e.GET("/lang", func(c echo.Context) error {
		c.Response().Header().Set("Vary", "Accept-Language")
		return c.String(http.StatusOK, strings.Join(c.Request().Header.Values("Accept-Language"), "|"))
	}, out(output.For(60e9).Public().VaryHeader("Accept-Language").IgnoreQuery("*")))
	e.GET("/status/:code", func(c echo.Context) error {
		switch c.Param("code") {
		case "404":
			return echo.NewHTTPError(http.StatusNotFound, "nothing here")
		case "301":
			return c.Redirect(http.StatusMovedPermanently, "/lang")
		case "204":
			return c.NoContent(http.StatusNoContent)
		case "500":
			return fmt.Errorf("on purpose")
		case "cookie":
			c.SetCookie(&http.Cookie{Name: "a", Value: "b"})
			return c.String(http.StatusOK, "cookie")
		case "nothing":
			return nil
		case "late":
			_ = c.String(http.StatusOK, "said already")
			return echo.NewHTTPError(http.StatusTeapot)
		case "flush":
			_, _ = io.WriteString(c.Response(), "one ")
			c.Response().Flush()
			_, _ = io.WriteString(c.Response(), "two")
			return nil
		default:
			return c.XML(http.StatusOK, c.Param("code"))
		}
	}, out(output.For(60e9).Public().StatusFor(10e9, 404, 301, 204)))
	e.POST("/whole/:id", func(c echo.Context) error { return c.NoContent(http.StatusCreated) })
	return e
}

// diffAnswer is what must not change.
type diffAnswer struct {
	Status int
	Header http.Header
	Body   string
}

// ours are the header fields that a cache may add to an answer, or put in.
var ours = []string{"Etag", "Age", "Date", "Cache-Status", "Content-Length"}

// of asks e. It reports false for what cannot be asked.
func (q question) of(e *echo.Echo) (a diffAnswer, ok bool) {
	r, err := http.NewRequest(q.method, "http://"+q.host+"/", bytes.NewReader(q.body)) //nolint:noctx // httptest's has none either
	if err != nil {
		return a, false
	}
	u, err := r.URL.Parse(q.target)
	if err != nil || !strings.HasPrefix(u.Path, "/") || u.Host != r.Host {
		return a, false
	}
	r.URL, r.RequestURI, r.RemoteAddr = u, q.target, "192.0.2.1:1234"
	r.Header = q.header.Clone()
	if len(q.body) == 0 {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	a = diffAnswer{w.Code, w.Result().Header, w.Body.String()}
	// A recorder whose WriteHeader was called does not guess the type; net/http does, and the cache for it.
	if _, typed := a.Header["Content-Type"]; !typed && a.Body != "" {
		a.Header.Set("Content-Type", http.DetectContentType(w.Body.Bytes()))
	}
	for _, name := range ours {
		a.Header.Del(name)
	}
	if control := a.Header.Get("Cache-Control"); control == "no-cache" {
		a.Header.Del("Cache-Control")
	}
	return a, true
}

// question is one request.
type question struct {
	method, target, host string
	header               http.Header
	body                 []byte
}

// inParts returns what the answer without a cache comes to if the cache has answered with a part of it or with 416, as it
// may where the handler has ignored the Range: want with the status and the body of got, if those follow from want.
func (q question) inParts(t *testing.T, want, got diffAnswer) diffAnswer {
	t.Helper()
	if want.Status != http.StatusOK || q.method != http.MethodGet || len(q.header["Range"]) != 1 {
		return want
	}
	content := got.Header.Get("Content-Range")
	given := map[string]string{content: got.Body}
	kind := want.Header.Get("Content-Type")
	switch got.Status {
	case http.StatusPartialContent:
		if border := strings.TrimPrefix(got.Header.Get("Content-Type"), "multipart/byteranges; boundary="); content == "" {
			kind = got.Header.Get("Content-Type")
			given = partsOf(t, got.Body, border)
		}
		for which, part := range given {
			var first, last, size int
			if _, err := fmt.Sscanf(which, "bytes %d-%d/%d", &first, &last, &size); err != nil || size != len(want.Body) || want.Body[first:last+1] != part {
				t.Errorf("%s of %s: %q is %q", q.header["Range"], q.target, which, part)
			}
		}
	case http.StatusRequestedRangeNotSatisfiable:
		if content != fmt.Sprintf("bytes */%d", len(want.Body)) {
			t.Errorf("%s of %s: %q", q.header["Range"], q.target, content)
		}
		kind = "text/plain; charset=utf-8"
		want.Header.Set("X-Content-Type-Options", "nosniff")
	default:
		return want
	}
	want.Status, want.Body = got.Status, got.Body
	want.Header.Set("Content-Type", kind)
	for _, name := range []string{"Content-Range", "Accept-Ranges"} {
		if lines, has := got.Header[name]; has {
			want.Header[name] = lines
		}
	}
	return want
}

// partsOf returns the parts of a multipart answer, by what they are.
func partsOf(t *testing.T, body, border string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for r := multipart.NewReader(strings.NewReader(body), border); ; {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		found[part.Header.Get("Content-Range")] = string(content)
	}
}

// neighbours are requests that a key might take for this one. They are asked first, so that a page of theirs would be
// there to be shown in its place.
func (q question) neighbours() []question {
	all := []question{q, q, q, q, q}
	all[0].host += "x"
	all[1].target += "0"
	if plain, err := url.PathUnescape(q.target); err == nil {
		all[2].target = plain
	}
	if before, after, found := strings.Cut(q.target, "?"); found {
		all[3].target = before + "?" + strings.ReplaceAll(after, "&", ";")
	}
	all[4].header = http.Header{}
	for name, lines := range q.header {
		all[4].header[name] = []string{strings.Join(lines, ",") + "x"}
	}
	return all
}

// diff asks both applications the same: what is like the question, and then the question twice, so that the second
// answer may be a hit.
func diff(t *testing.T, q question) {
	t.Helper()
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	with := diffApp(cache.Output)
	without := diffApp(func(output.Policy) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	})
	for _, ask := range append(q.neighbours(), q, q) {
		want, ok := ask.of(without)
		if !ok {
			continue
		}
		got, _ := ask.of(with)
		want = ask.inParts(t, want, got)
		if difference := cmp.Diff(want, got); difference != "" {
			t.Errorf("%s %s of %s: -without +with\n%s", ask.method, ask.target, ask.host, difference)
		}
	}
}

func FuzzDifferential(f *testing.F) {
	for _, target := range []string{
		"/whole/7", "/whole/%37?b=2&a=1&a=0", "/whole/a%2Fb?x=%zz&y=1;z=2", "/rest/a/../b?q", "/one/Acme%20Co%2FInc?q=1&q=2&r=3",
		"/lang?utm=1", "/status/404", "/status/301", "/status/204", "/status/500", "/status/cookie", "/status/nothing",
		"/status/late", "/status/flush", "/status/%00", "/nowhere", "/one/", "/whole/%2e%2e?=&&=1",
	} {
		f.Add("GET", target, "shop.example", "Accept-Language", "de", "")
	}
	f.Add("HEAD", "/whole/7", "shop.example", "Range", "bytes=0-1", "")
	for _, part := range []string{"bytes=0-1", "bytes=-3", "bytes=0-1,4-5", "bytes=9999-", "bytes=2-1", "lines=0-1", "bytes=0-1,99999-"} {
		f.Add("GET", "/whole/7", "shop.example", "Range", part, "")
		f.Add("GET", "/status/404", "shop.example", "Range", part, "")
	}
	f.Add("POST", "/whole/7", "shop.example", "X-Http-Method-Override", "GET", "q=1")
	f.Add("GET", "/one/7?q=1", "a:8080", "Content-Type", "application/json", `{"q":"evil"}`)
	f.Add("GET", "/lang", "shop.example", "Upgrade", "websocket", "")
	f.Add("GET", "/lang", "shop.example", "Cookie", "session=1", "")
	f.Fuzz(func(t *testing.T, method, target, host, name, value, body string) {
		header := http.Header{}
		// A precondition is answered by the cache and not by these handlers: it is the one difference there is to be.
		if canonical := http.CanonicalHeaderKey(name); name != "" && canonical != "If-None-Match" && canonical != "If-Modified-Since" {
			header[canonical] = []string{value}
		}
		diff(t, question{method, target, host, header, []byte(body)})
	})
}
