package middleware_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/response"
)

// etagged makes entity tags, and so holds answers back.
var etagged = response.Public(day).ETag()

// A panic and runtime.Goexit go through with the answer as it was, and the response has its own writer again.
func TestResponseRestoresTheWriter(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end  func(echo.Context) error
		body string
		told bool
	}{
		"returns":             {func(c echo.Context) error { return c.String(200, "a") }, "a", true},
		"an error":            {func(echo.Context) error { return echo.ErrTeapot }, "", false},
		"an error afterwards": {func(c echo.Context) error { _ = c.String(200, "a"); return echo.ErrTeapot }, "a", false},
		"panics":              {func(echo.Context) error { panic("x") }, "", false},
		"panics afterwards":   {func(c echo.Context) error { _ = c.String(200, "a"); panic("x") }, "a", false},
		"leaves":              {func(echo.Context) error { runtime.Goexit(); return nil }, "", false},
		"leaves afterwards":   {func(c echo.Context) error { _ = c.String(200, "a"); runtime.Goexit(); return nil }, "a", false},
		"a writer left behind": {func(c echo.Context) error {
			c.Response().Writer = httptest.NewRecorder()
			return c.String(200, "a")
		}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			c := newEcho().NewContext(request(t, http.MethodGet, "/"), w)
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				_ = echocache.Response(etagged)(row.end)(c)
			}()
			<-done
			if c.Response().Writer != http.ResponseWriter(w) {
				t.Errorf("the writer is a %T", c.Response().Writer)
			}
			if w.Body.String() != row.body {
				t.Errorf("body %q", w.Body)
			}
			if d := cmp.Diff(row.told, len(fields(w.Header(), "Cache-Control", "Etag")) == 2); d != "" {
				t.Errorf("%s: %s", w.Header(), d)
			}
		})
	}
}

// A panic behind Recover is a 500 of which nothing is said.
func TestResponsePanicsBehindRecover(t *testing.T) {
	t.Parallel()
	e := newEcho()
	e.Use(quietRecover())
	e.GET("/", func(echo.Context) error { panic("x") }, echocache.Response(etagged))
	if w := get(t, e, "/"); w.Code != 500 || len(fields(w.Header(), "Cache-Control", "Etag")) > 0 {
		t.Errorf("%d %s", w.Code, w.Header())
	}
}

// What is longer than a MiB goes through as it is written, without a tag.
func TestResponseLongBodies(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	for _, size := range []int{limit - 1, limit, limit + 1, 3 * limit} {
		body := bytes.Repeat([]byte("x"), size)
		for parts := range 3 {
			w := told(t, etagged, func(c echo.Context) error {
				rest := body
				for range parts {
					if _, err := c.Response().Write(rest[:limit/2-1]); err != nil {
						return err
					}
					rest = rest[limit/2-1:]
				}
				_, err := c.Response().Write(rest)
				return err
			})
			if !bytes.Equal(w.Body.Bytes(), body) {
				t.Errorf("%d bytes in %d parts: %d arrive", size, parts+1, w.Body.Len())
			}
			if got := w.Header().Get("Etag") != ""; got != (size <= limit) {
				t.Errorf("%d bytes in %d parts: a tag: %t", size, parts+1, got)
			}
			if w.Header().Get("Cache-Control") != "public, max-age=86400" {
				t.Errorf("%d bytes: %s", size, w.Header())
			}
		}
	}
}

// served is a server of one route behind Response.
func served(t *testing.T, p response.Policy, h echo.HandlerFunc, outside ...echo.MiddlewareFunc) string {
	t.Helper()
	e := newEcho()
	e.Use(outside...)
	e.GET("/", h, echocache.Response(p))
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	return s.URL
}

// fetched is an answer whose body is read bit by bit, and closed when the test ends.
type fetched struct {
	code            int
	header, trailer http.Header
	body            *bufio.Reader
}

func fetch(t *testing.T, url string, headers ...string) fetched {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Body.Close() })
	return fetched{a.StatusCode, a.Header, a.Trailer, bufio.NewReader(a.Body)}
}

// What is flushed reaches the client before the handler goes on, whichever way it flushes, tag or no tag.
func TestResponseFlush(t *testing.T) {
	t.Parallel()
	for name, flush := range map[string]func(echo.Context) error{
		"by Echo":       func(c echo.Context) error { c.Response().Flush(); return nil },
		"by controller": func(c echo.Context) error { return http.NewResponseController(c.Response()).Flush() },
		"by writer":     func(c echo.Context) error { c.Response().Writer.(http.Flusher).Flush(); return nil },
	} {
		for _, first := range []string{"first\n", ""} {
			t.Run(fmt.Sprintf("%s %q", name, first), func(t *testing.T) {
				t.Parallel()
				seen := make(chan struct{})
				url := served(t, etagged, func(c echo.Context) error {
					if first != "" {
						if _, err := io.WriteString(c.Response(), first); err != nil {
							return err
						}
					}
					if err := flush(c); err != nil {
						return err
					}
					<-seen
					_, err := io.WriteString(c.Response(), "second\n")
					return err
				})
				a := fetch(t, url)
				if first != "" {
					if line, _ := a.body.ReadString('\n'); line != first {
						t.Errorf("%q", line)
					}
				}
				close(seen)
				if line, _ := a.body.ReadString('\n'); line != "second\n" {
					t.Errorf("%q", line)
				}
				if a.header.Get("Cache-Control") != "public, max-age=86400" || a.header.Get("Etag") != "" {
					t.Errorf("%s", a.header)
				}
			})
		}
	}
}

// A connection that the handler takes over is its own, and the controller reaches what only the server's writer can do.
func TestResponseHijackAndDeadlines(t *testing.T) {
	t.Parallel()
	url := served(t, etagged, func(c echo.Context) error {
		for _, err := range []error{
			http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(time.Minute)),
			http.NewResponseController(c.Response()).EnableFullDuplex(),
		} {
			if err != nil {
				return err
			}
		}
		conn, _, err := c.Response().Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "HTTP/1.1 299 mine\r\nContent-Length: 2\r\n\r\nok")
		return err
	})
	a := fetch(t, url)
	text, _ := io.ReadAll(a.body)
	if a.code != 299 || string(text) != "ok" || a.header.Get("Cache-Control") != "" {
		t.Errorf("%d %q %s", a.code, text, a.header)
	}
}

// readerFrom counts what takes the short way.
type readerFrom struct {
	*httptest.ResponseRecorder

	took int64
}

func (w *readerFrom) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseRecorder, r)
	w.took += n
	return n, err
}

// A copy takes the short way of the client's writer, if nothing is held back.
func TestResponseReadFrom(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		policy response.Policy
		header []string
		took   int64
		code   int
		body   string
	}{
		"plain":       {response.Public(day), nil, 6, 200, "a file"},
		"tagged":      {etagged, nil, 0, 200, "a file"},
		"not changed": {response.Public(day), []string{"If-None-Match: *"}, 0, 304, ""},
	} {
		w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
		c := newEcho().NewContext(request(t, http.MethodGet, "/", row.header...), w)
		err := echocache.Response(row.policy)(func(c echo.Context) error {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			n, err := io.Copy(c.Response().Writer, f)
			if n != 6 {
				t.Errorf("%s: %d copied", name, n)
			}
			return err
		})(c)
		if err != nil || w.took != row.took || w.Code != row.code || w.Body.String() != row.body {
			t.Errorf("%s: %v, %d took the short way, %d %q", name, err, w.took, w.Code, w.Body)
		}
		if w.Header().Get("Cache-Control") != "public, max-age=86400" {
			t.Errorf("%s: %s", name, w.Header())
		}
	}
}

// An informational answer passes and is not the answer; a header that is set after the status is no header, but a trailer
// is one.
func TestResponseInformationalAndTrailers(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]response.Policy{"plain": response.Public(day), "tagged": etagged} {
		url := served(t, policy, func(c echo.Context) error {
			w := c.Response().Writer // Echo's own response takes a 103 for the answer
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Trailer", "X-Sum")
			if _, err := io.WriteString(w, "a"); err != nil {
				return err
			}
			w.Header().Set("X-Late", "1")
			w.Header().Set("X-Sum", "2")
			w.Header().Set(http.TrailerPrefix+"X-More", "3")
			return nil
		})
		a := fetch(t, url)
		text, _ := io.ReadAll(a.body)
		if a.code != 200 || string(text) != "a" || a.header.Get("X-Late") != "" || a.header.Get("Cache-Control") == "" {
			t.Errorf("%s: %d %q %s", name, a.code, text, a.header)
		}
		if d := cmp.Diff(http.Header{"X-Sum": {"2"}, "X-More": {"3"}}, a.trailer); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Through Echo's Gzip outside, a page goes out packed, with a weak tag that is found again, and a 304 is one.
func TestResponseBehindGzip(t *testing.T) {
	t.Parallel()
	for _, least := range []int{0, 10, 10_000} {
		url := served(t, etagged, answers(200, strings.Repeat("a page ", 100)), middleware.GzipWithConfig(middleware.GzipConfig{MinLength: least}))
		a := fetch(t, url, "Accept-Encoding: gzip")
		tag := a.header.Get("Etag")
		if packed := a.header.Get("Content-Encoding") == "gzip"; packed != (least < 10_000) || !strings.HasPrefix(tag, `W/"`) {
			t.Errorf("from %d: %s", least, a.header)
		}
		if got := a.header.Get("Cache-Control"); got != "public, max-age=86400" {
			t.Errorf("from %d: %q", least, got)
		}
		b := fetch(t, url, "Accept-Encoding: gzip", "If-None-Match: "+tag)
		if b.code != 304 || b.header.Get("Etag") != tag || b.header.Get("Content-Encoding") != "" {
			t.Errorf("from %d: %d %s", least, b.code, b.header)
		}
	}
}

// A status that is written twice is written once.
func TestResponseSecondStatus(t *testing.T) {
	t.Parallel()
	w := told(t, etagged, func(c echo.Context) error {
		raw := c.Response().Writer
		raw.WriteHeader(http.StatusOK)
		raw.WriteHeader(http.StatusTeapot)
		_, err := io.WriteString(raw, "a")
		return err
	})
	if w.Code != 200 || w.Body.String() != "a" || w.Header().Get("Etag") == "" {
		t.Errorf("%d %q %s", w.Code, w.Body, w.Header())
	}
}
