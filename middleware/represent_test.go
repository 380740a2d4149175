package middleware_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

var longPage = strings.Repeat("All happy families are alike. ", 200)

// netAnswer is an answer that came over the network.
type netAnswer struct {
	code   int
	header http.Header
	body   string
}

// plainly asks a real server over the network with these headers and no other: nothing is decoded on the way.
func plainly(t *testing.T, method, url string, headers ...string) netAnswer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return netAnswer{w.StatusCode, w.Header, string(body)}
}

// unpacked undoes one encoding, and wants there to be no other.
func unpacked(t *testing.T, h http.Header, body string) string {
	t.Helper()
	switch codings := h["Content-Encoding"]; {
	case len(codings) == 0:
		return body
	case len(codings) > 1 || codings[0] != "gzip":
		t.Errorf("Content-Encoding: %q", codings)
		return ""
	}
	r, err := gzip.NewReader(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Errorf("says gzip and is not: %v", err)
		return ""
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

// represented starts a real server with a page under a policy, with a middleware outside and one inside of it.
func represented(t *testing.T, p output.Policy, outside, inside []echo.MiddlewareFunc) string {
	t.Helper()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.Use(outside...)
	page := func(c echo.Context) error {
		c.Response().Header().Set("Etag", `"v1"`)
		return c.String(http.StatusOK, longPage)
	}
	e.Match([]string{http.MethodGet, http.MethodHead}, "/", page, append([]echo.MiddlewareFunc{cache.Output(p)}, inside...)...)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server.URL
}

// Echo's Gzip outside would encode a part as if it were the whole, and leaves a strong tag on what it has changed: who asks
// for gzip is given the whole page, encoded once, under a weak tag, whatever the policy; who does not has a part of the
// page as it is.
func TestGzipOutside(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]output.Policy{"plain": output.For(hour), "Compress": output.For(hour).Compress()} {
		url := represented(t, policy, []echo.MiddlewareFunc{middleware.Gzip()}, nil)
		for i, row := range []struct {
			headers  []string
			code     int
			encoding string
			tag      string
			body     string
		}{
			{[]string{"Accept-Encoding: gzip"}, 200, "gzip", `W/"v1"`, longPage}, // fills
			{[]string{"Accept-Encoding: gzip"}, 200, "gzip", `W/"v1"`, longPage},
			{[]string{"Accept-Encoding: gzip", "Range: bytes=4-8"}, 200, "gzip", `W/"v1"`, longPage},
			{[]string{"Accept-Encoding: gzip", "Range: bytes=99999-"}, 200, "gzip", `W/"v1"`, longPage},
			{[]string{"Accept-Encoding: gzip;q=0", "Range: bytes=4-8"}, 200, "gzip", `W/"v1"`, longPage}, // Gzip does not read the weight
			{[]string{"Accept-Encoding: gzip", `If-None-Match: W/"v1"`}, 304, "", `W/"v1"`, ""},
			{[]string{"Range: bytes=4-8"}, 206, "", `"v1"`, "happy"},
			{[]string{"Accept-Encoding: identity", "Range: bytes=4-8"}, 206, "", `"v1"`, "happy"},
			{[]string{"Accept-Encoding: identity;q=1, *;q=0", "Range: bytes=4-8"}, 206, "", `"v1"`, "happy"}, // Chrome, of a film
			{nil, 200, "", `"v1"`, longPage},
			{[]string{`If-None-Match: "v1"`}, 304, "", `"v1"`, ""},
		} {
			w := plainly(t, http.MethodGet, url, row.headers...)
			h := w.header
			if w.code != row.code || h.Get("Content-Encoding") != row.encoding || h.Get("Etag") != row.tag {
				t.Errorf("%s, %d: %d %v", name, i, w.code, h)
			}
			if got := unpacked(t, h, w.body); got != row.body {
				t.Errorf("%s, %d: %d bytes of %d", name, i, len(got), len(row.body))
			}
			if vary := h["Vary"]; strings.Join(vary, "|") != "Accept-Encoding" {
				t.Errorf("%s, %d: Vary %q", name, i, vary)
			}
			if hit := strings.Contains(h.Get("Cache-Status"), "hit"); hit != (i > 0) {
				t.Errorf("%s, %d: %s", name, i, h.Get("Cache-Status"))
			}
		}
	}
}

// With Compress and nothing outside, with Gzip inside or without: one entry, and no encoding twice.
func TestCompressWithoutAnEncoder(t *testing.T) {
	t.Parallel()
	for name, inside := range map[string][]echo.MiddlewareFunc{"alone": nil, "Gzip inside": {middleware.Gzip()}} {
		url := represented(t, output.For(hour).Compress(), nil, inside)
		for i, row := range []struct {
			headers  []string
			code     int
			encoding string
			tag      string
			body     string
		}{
			{nil, 200, "", `"v1"`, longPage}, // fills
			{[]string{"Accept-Encoding: gzip"}, 200, "gzip", `"v1-gzip"`, longPage},
			{[]string{"Accept-Encoding: gzip;q=0"}, 200, "", `"v1"`, longPage},
			{[]string{"Accept-Encoding: gzip", `If-None-Match: "v1-gzip"`}, 304, "", `"v1-gzip"`, ""},
			{[]string{"Accept-Encoding: gzip", "Range: bytes=4-8"}, 206, "", `"v1"`, "happy"},
			{[]string{"Accept-Encoding: br"}, 200, "", `"v1"`, longPage},
		} {
			w := plainly(t, http.MethodGet, url, row.headers...)
			h := w.header
			if w.code != row.code || h.Get("Content-Encoding") != row.encoding || h.Get("Etag") != row.tag ||
				strings.Join(h["Vary"], "|") != "Accept-Encoding" {
				t.Errorf("%s, %d: %d %v", name, i, w.code, h)
			}
			if got := unpacked(t, h, w.body); got != row.body {
				t.Errorf("%s, %d: %d bytes of %d", name, i, len(got), len(row.body))
			}
			if row.code == 200 && h.Get("Content-Length") != strconv.Itoa(len(w.body)) {
				t.Errorf("%s, %d: Content-Length %s for %d bytes", name, i, h.Get("Content-Length"), len(w.body))
			}
			if hit := strings.Contains(h.Get("Cache-Status"), "hit"); hit != (i > 0) {
				t.Errorf("%s, %d: %s", name, i, h.Get("Cache-Status"))
			}
		}
		get := plainly(t, http.MethodGet, url, "Accept-Encoding: gzip")
		head := plainly(t, http.MethodHead, url, "Accept-Encoding: gzip")
		for _, field := range []string{"Content-Length", "Content-Encoding", "Etag", "Vary", "Content-Type"} {
			if a, b := get.header.Get(field), head.header.Get(field); a != b || a == "" {
				t.Errorf("%s, %s: a GET has %q, a HEAD %q", name, field, a, b)
			}
		}
	}
}
