package middleware_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/response"
)

const day = 24 * time.Hour

// fields are what an answer says of the named header fields.
func fields(h http.Header, names ...string) map[string][]string {
	found := map[string][]string{}
	for _, name := range names {
		if lines, ok := h[name]; ok {
			found[name] = lines
		}
	}
	return found
}

// answers is a handler that sets header lines, "Name: value", and writes a status and a body.
func answers(code int, body string, headers ...string) echo.HandlerFunc {
	return func(c echo.Context) error {
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			c.Response().Header().Add(name, value)
		}
		c.Response().WriteHeader(code)
		_, err := io.WriteString(c.Response(), body)
		return err
	}
}

// told is what a GET of a route is answered with.
func told(t *testing.T, p response.Policy, h echo.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	e := newEcho()
	e.GET("/", h, echocache.Response(p))
	return get(t, e, "/")
}

// What downstream is told is what the policy says, whatever the handler says, but for errors.
func TestResponseTells(t *testing.T) {
	t.Parallel()
	page := response.Public(day).Vary("Accept-Language", "X-Theme")
	const control = "public, max-age=86400"
	for name, row := range map[string]struct {
		policy  response.Policy
		handler echo.HandlerFunc
		want    map[string][]string
	}{
		"nothing said": {page, answers(200, "a"), map[string][]string{
			"Cache-Control": {control}, "Vary": {"Accept-Language, X-Theme"},
		}},
		"all said": {page, answers(200, "a", "Cache-Control: no-store", "Cache-Control: private", "Expires: 0", "Pragma: no-cache"), map[string][]string{
			"Cache-Control": {control}, "Vary": {"Accept-Language, X-Theme"},
		}},
		"some of Vary": {page, answers(200, "a", "Vary: Origin, accept-language"), map[string][]string{
			"Cache-Control": {control}, "Vary": {"Origin, accept-language", "X-Theme"},
		}},
		"all of Vary": {page, answers(200, "a", "Vary: *"), map[string][]string{"Cache-Control": {control}, "Vary": {"*"}}},
		"a redirect":  {response.Public(day), answers(301, "", "Location: /b"), map[string][]string{"Cache-Control": {control}}},
		"no content":  {response.NoStore(), answers(204, ""), map[string][]string{"Cache-Control": {"no-store"}}},
		"the zero":    {response.Policy{}, answers(200, "a"), map[string][]string{"Cache-Control": {"no-cache"}}},
		"not found": {page, answers(404, "a", "Cache-Control: max-age=5", "Expires: 0", "Pragma: p", "Vary: Origin"), map[string][]string{
			"Cache-Control": {"max-age=5"}, "Expires": {"0"}, "Pragma": {"p"}, "Vary": {"Origin"},
		}},
		"broken":       {page, answers(500, "a"), map[string][]string{}},
		"a bad answer": {page.ETag(), answers(400, "a"), map[string][]string{}},
		"an error":     {page.ETag(), func(echo.Context) error { return echo.ErrNotFound }, map[string][]string{}},
		"nothing done": {page.ETag(), func(echo.Context) error { return nil }, map[string][]string{}},
	} {
		w := told(t, row.policy, row.handler)
		if d := cmp.Diff(row.want, fields(w.Header(), "Cache-Control", "Expires", "Pragma", "Vary", "Etag")); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// A handler that has the last word inside, in a hook, still does not have it.
func TestResponseIsTheLastWord(t *testing.T) {
	t.Parallel()
	w := told(t, response.Public(day), func(c echo.Context) error {
		c.Response().Before(func() { c.Response().Header().Set("Cache-Control", "no-store") })
		return c.String(http.StatusOK, "a")
	})
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=86400" {
		t.Error(got)
	}
}

// Of two policies the inner one decides, wherever they tag; an error is still nobody's.
func TestResponseInResponse(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ outer, inner response.Policy }{
		"plain":     {response.Public(day).Vary("A"), response.Private(time.Minute).Vary("B")},
		"outer tag": {response.Public(day).Vary("A").ETag(), response.Private(time.Minute).Vary("B")},
		"inner tag": {response.Public(day).Vary("A"), response.Private(time.Minute).Vary("B").ETag()},
		"both":      {response.Public(day).Vary("A").ETag(), response.Private(time.Minute).Vary("B").ETag()},
	} {
		e := newEcho()
		g := e.Group("", echocache.Response(row.outer))
		g.GET("/a", answers(200, "a"), echocache.Response(row.inner))
		g.GET("/b", answers(404, "a"), echocache.Response(row.inner))
		g.GET("/c", answers(200, "a"))
		want := map[string][]string{"Cache-Control": {"private, max-age=60"}, "Vary": {"B"}}
		if d := cmp.Diff(want, fields(get(t, e, "/a").Header(), "Cache-Control", "Vary")); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
		if tag := get(t, e, "/a").Header().Get("Etag"); strings.HasPrefix(tag, `"`) != row.inner.WantsETag() {
			t.Errorf("%s: ETag %s: nothing stands between that would change the bytes", name, tag)
		}
		if got := get(t, e, "/b").Header().Get("Cache-Control"); got != "" {
			t.Errorf("%s: an error says %q", name, got)
		}
		if got := get(t, e, "/c").Header().Get("Cache-Control"); got != "public, max-age=86400" {
			t.Errorf("%s: without an inner one: %q", name, got)
		}
	}
}

// A mistake is an error when the policy is mounted, and a skipped request is as it would be without.
func TestResponseConfig(t *testing.T) {
	t.Parallel()
	bad := response.Private(day).Shared(-time.Second)
	m, err := echocache.ResponseConfig{Policy: bad}.ToMiddleware()
	if m != nil || err == nil || !strings.Contains(err.Error(), "Shared(-1s)") {
		t.Errorf("%v", err)
	}
	if said := panicked(func() { echocache.Response(bad) }); said == nil || said.Error() != err.Error() {
		t.Errorf("a panic with %v", said)
	}
	m, err = echocache.ResponseConfig{
		Policy: response.Public(day), Skipper: func(c echo.Context) bool { return c.QueryParam("skip") != "" },
	}.ToMiddleware()
	if err != nil {
		t.Fatal(err)
	}
	e := newEcho()
	e.GET("/", answers(200, "a", "Cache-Control: max-age=1"), m)
	if one, two := get(t, e, "/"), get(t, e, "/?skip=1"); one.Header().Get("Cache-Control") == "max-age=1" || two.Header().Get("Cache-Control") != "max-age=1" {
		t.Errorf("%s, skipped %s", one.Header(), two.Header())
	}
}

// The entity tag is strong where the bytes go out as they are, and weak where somebody may still change them.
func TestResponseETag(t *testing.T) {
	t.Parallel()
	tagged := response.NoCache().ETag()
	strong, weak := response.StrongETag([]byte("a page")), response.WeakETag([]byte("a page"))
	for name, row := range map[string]struct {
		handler echo.HandlerFunc
		method  string
		outside []echo.MiddlewareFunc
		headers []string
		want    string
	}{
		"alone":            {answers(200, "a page"), "GET", nil, nil, strong},
		"in parts":         {inParts("a ", "pa", "", "ge"), "GET", nil, nil, strong},
		"gzip outside":     {answers(200, "a page"), "GET", []echo.MiddlewareFunc{middleware.Gzip()}, []string{"Accept-Encoding: gzip"}, weak},
		"gzip not wanted":  {answers(200, "a page"), "GET", []echo.MiddlewareFunc{middleware.Gzip()}, nil, strong},
		"packed already":   {answers(200, "a page", "Content-Encoding: br"), "GET", nil, nil, weak},
		"the handler's":    {answers(200, "a page", `Etag: "mine"`), "GET", nil, nil, `"mine"`},
		"a HEAD":           {answers(200, "a page"), "HEAD", nil, nil, strong},
		"an empty HEAD":    {answers(200, ""), "HEAD", nil, nil, ""},
		"an empty GET":     {answers(200, ""), "GET", nil, nil, response.StrongETag(nil)},
		"a POST":           {answers(200, "a page"), "POST", nil, nil, ""},
		"a redirect":       {answers(302, "a page"), "GET", nil, nil, ""},
		"another's status": {answers(203, "a page"), "GET", nil, nil, ""},
		"a part":           {answers(206, "a page", "Content-Range: bytes 0-5/10"), "GET", nil, nil, ""},
		"shorter than said": {
			answers(200, "a page", "Content-Length: 7"), "GET", nil, nil, "",
		},
		"as long as said": {answers(200, "a page", "Content-Length: 6"), "GET", nil, nil, strong},
	} {
		e := newEcho()
		e.Use(row.outside...)
		e.Add(row.method, "/", row.handler, echocache.Response(tagged))
		w := send(t, e, row.method, "/", row.headers...)
		if got := w.Header().Get("Etag"); got != row.want {
			t.Errorf("%s: ETag %s, want %s", name, got, row.want)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		body := "a page"
		if strings.HasPrefix(name, "an empty") {
			body = ""
		}
		if w.Header().Get("Content-Encoding") != "gzip" && w.Body.String() != body {
			t.Errorf("%s: body %q", name, w.Body)
		}
	}
}

// inParts writes a body with several writes.
func inParts(parts ...string) echo.HandlerFunc {
	return func(c echo.Context) error {
		for _, part := range parts {
			if _, err := io.WriteString(c.Response(), part); err != nil {
				return err
			}
		}
		return nil
	}
}

const lastModified = "Wed, 01 May 2024 12:00:00 GMT"

// A conditional request is answered with 304, with and without an entity tag of our own. For whoever logs it the answer
// is what it is.
func TestResponseNotModified(t *testing.T) {
	t.Parallel()
	plain, tagged := response.Public(day).Vary("A"), response.Public(day).Vary("A").ETag()
	own := response.StrongETag([]byte("a page"))
	since := "If-Modified-Since: " + lastModified
	described := []string{
		"Content-Type: text/x", "Content-Language: en", "Content-Length: 6", "Content-Encoding: br", "X-A: b",
		`Etag: "1"`, "Last-Modified: " + lastModified,
	}
	for name, row := range map[string]struct {
		policy  response.Policy
		handler echo.HandlerFunc
		headers []string
		code    int
	}{
		"made, asked":                    {tagged, answers(200, "a page"), []string{"If-None-Match: " + own}, 304},
		"made, asked weakly in a list":   {tagged, answers(200, "a page"), []string{`If-None-Match: "x", W/` + own}, 304},
		"made, asked in two lines":       {tagged, answers(200, "a page"), []string{`If-None-Match: "x"`, "If-None-Match: " + own}, 304},
		"made, any":                      {tagged, answers(200, "a page"), []string{"If-None-Match: *"}, 304},
		"made, another":                  {tagged, answers(200, "a page"), []string{`If-None-Match: "x"`}, 200},
		"made, another, since then":      {tagged, answers(200, "a page", "Last-Modified: "+lastModified), []string{`If-None-Match: "x"`, since}, 200},
		"made, since then":               {tagged, answers(200, "a page", "Last-Modified: "+lastModified), []string{since}, 304},
		"not made, asked":                {plain, answers(200, "a page"), []string{"If-None-Match: " + own}, 200},
		"not made, any":                  {plain, answers(200, "a page"), []string{"If-None-Match: *"}, 304},
		"the handler's, asked":           {plain, answers(200, "a page", described...), []string{`If-None-Match: W/"1"`}, 304},
		"the handler's, asked, of ours":  {tagged, answers(200, "a page", described...), []string{"If-None-Match: " + own}, 200},
		"the handler's, since then":      {plain, answers(200, "a page", described...), []string{since}, 304},
		"the handler's, since before":    {plain, answers(200, "a page", described...), []string{"If-Modified-Since: Wed, 01 May 2024 11:59:59 GMT"}, 200},
		"the handler's, no condition":    {plain, answers(200, "a page", described...), nil, 200},
		"a time that is none":            {plain, answers(200, "a page", "Last-Modified: yesterday"), []string{since}, 200},
		"not found":                      {plain, answers(404, "a page", `Etag: "1"`), []string{`If-None-Match: "1"`}, 404},
		"created":                        {plain, answers(201, "a page", `Etag: "1"`), []string{`If-None-Match: "1"`}, 201},
		"the handler's own 304":          {tagged, answers(304, "", `Etag: "1"`), []string{`If-None-Match: "1"`}, 304},
		"nothing but a status, no field": {plain, answers(200, ""), []string{since}, 200},
	} {
		e := newEcho()
		var logged [2]int64
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				err := next(c)
				logged = [2]int64{int64(c.Response().Status), c.Response().Size}
				return err
			}
		})
		e.GET("/", row.handler, echocache.Response(row.policy))
		w := get(t, e, "/", row.headers...)
		if w.Code != row.code || logged != [2]int64{int64(row.code), int64(w.Body.Len())} {
			t.Errorf("%s: %d, logged %d", name, w.Code, logged)
		}
		if got := w.Header().Get("Cache-Control"); (got == "public, max-age=86400") != (row.code < 400) {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		if row.code != http.StatusNotModified {
			continue
		}
		if w.Body.Len() > 0 || len(fields(w.Header(), "Content-Type", "Content-Length", "Content-Encoding", "Content-Language")) > 0 {
			t.Errorf("%s: a 304 with %q, %s", name, w.Body, w.Header())
		}
		if w.Header().Get("Vary") != "A" {
			t.Errorf("%s: a 304 without Vary: %s", name, w.Header())
		}
	}
	for _, method := range []string{http.MethodHead, http.MethodPost} {
		e := newEcho()
		e.Add(method, "/", answers(200, "a page", `Etag: "1"`), echocache.Response(plain))
		if w := send(t, e, method, "/", `If-None-Match: "1"`); (w.Code == 304) != (method == http.MethodHead) {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

// A handler that returns an error leaves the answer as it would be without Response: what it has written stays, and
// nothing is said of it; what it has not, Echo's error handler writes.
func TestResponseErrors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, handler := range map[string]echo.HandlerFunc{
		"before the answer": func(echo.Context) error { return boom },
		"with a status":     func(echo.Context) error { return echo.NewHTTPError(http.StatusTeapot, "short and stout") },
		"with headers": func(c echo.Context) error {
			c.Response().Header().Set("Cache-Control", "max-age=9")
			c.Response().Header().Set("Etag", `"1"`)
			return echo.ErrForbidden
		},
		"after the answer": func(c echo.Context) error {
			c.Response().Header().Set("Cache-Control", "max-age=9")
			return errors.Join(c.String(http.StatusOK, "half a page"), boom)
		},
		"rendered inside": func(c echo.Context) error {
			c.Error(echo.ErrNotFound)
			return nil
		},
	} {
		bare, e := newEcho(), newEcho()
		bare.GET("/", handler)
		e.GET("/", handler, echocache.Response(response.Public(day).ETag()))
		for _, headers := range [][]string{nil, {`If-None-Match: *`}} {
			want, got := get(t, bare, "/", headers...), get(t, e, "/", headers...)
			if got.Code != want.Code || got.Body.String() != want.Body.String() {
				t.Errorf("%s: %d %q, want %d %q", name, got.Code, got.Body, want.Code, want.Body)
			}
			if d := cmp.Diff(want.Result().Header, got.Result().Header); d != "" {
				t.Errorf("%s: -without +with\n%s", name, d)
			}
		}
	}
}
