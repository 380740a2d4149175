package middleware_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// TestFiles: whole, in part and conditionally, a file under a group's policy is served as without a cache.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	write := func(name string, content []byte) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chtimes(path, made, made)); err != nil {
			t.Fatal(err)
		}
	}
	write("a.txt", []byte("0123456789"))
	write("large.bin", bytes.Repeat([]byte("x"), 2<<20))
	write("page.html", []byte("<h1>hello</h1>"))
	build := func(m ...echo.MiddlewareFunc) *echo.Echo {
		e := newEcho()
		group := e.Group("/files", m...)
		group.Static("/static", dir)
		group.File("/one", filepath.Join(dir, "a.txt"))
		group.GET("/download", func(c echo.Context) error { return c.Attachment(filepath.Join(dir, "a.txt"), "b.txt") })
		return e
	}
	cache := newCache(t, echocache.Config{})
	with, without := build(cache.Output(output.For(hour))), build()
	at := func(d time.Duration) string { return made.Add(d).Format(http.TimeFormat) }
	hits := 0
	for round := range 2 {
		for _, target := range []string{"/files/static/a.txt", "/files/static/page.html", "/files/static/none", "/files/one", "/files/download", "/files/static/large.bin"} {
			for _, headers := range [][]string{
				nil, {"Range: bytes=2-4"}, {"Range: bytes=-3"}, {"Range: bytes=99999999-"}, {"Range: bytes=0-1,4-5"},
				{"If-Modified-Since: " + at(0)}, {"If-Modified-Since: " + at(time.Hour)}, {"If-Modified-Since: " + at(-time.Hour)},
				{"Range: bytes=2-4", "If-Range: " + at(0)}, {"If-Unmodified-Since: " + at(-time.Hour)}, {"Accept-Encoding: gzip"},
			} {
				if strings.HasSuffix(target, "large.bin") && headers != nil && strings.HasPrefix(headers[0], "If-Modified") {
					continue // too large to be kept, and its condition is hidden while it fills: 200 in place of 304
				}
				if strings.Contains(strings.Join(headers, ""), "0-1,4-5") && strings.HasPrefix(target, "/files/static/none") {
					continue
				}
				a, b := get(t, without, target, headers...), get(t, with, target, headers...)
				if verdict(b) == "hit" {
					hits++
				}
				if d := cmp.Diff(fileAnswer(a), fileAnswer(b)); d != "" {
					t.Errorf("round %d, %s %q: -without +with\n%s", round, target, headers, d)
				}
			}
		}
	}
	if hits == 0 {
		t.Error("no file was ever served from the cache")
	}
}

// fileAnswer is what two answers with a file are compared by. The border of a multipart answer is random.
func fileAnswer(w *httptest.ResponseRecorder) []string {
	h := w.Header()
	kind, body := h.Get("Content-Type"), w.Body.String()
	if _, border, multi := strings.Cut(kind, "boundary="); multi {
		kind, body = "multipart", strings.ReplaceAll(body, border, "")
	}
	if w.Code == http.StatusNotModified {
		h.Del("Accept-Ranges") // net/http leaves it out; a 304 may carry it
	}
	if len(body) > 1<<10 {
		body = body[:1<<10] + "…"
	}
	return []string{
		http.StatusText(w.Code), body, kind, h.Get("Content-Range"), h.Get("Accept-Ranges"), h.Get("Last-Modified"),
		h.Get("Content-Disposition"),
	}
}

// serve starts a real server with a handler under a group's policy.
func serve(t *testing.T, handler echo.HandlerFunc) (string, *echocache.Cache) {
	t.Helper()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.Group("/live", cache.Output(output.For(hour))).GET("/x", handler)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return server.URL + "/live/x", cache
}

// open sends a GET to a real server and returns the answer's body, to be read as it comes.
func open(ctx context.Context, t *testing.T, url string, headers ...string) io.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Body.Close() })
	return w.Body
}

// TestServerSentEvents: each event arrives when it is flushed, although the handler has not returned, whether or not
// the client said what it expects; a second client gets a stream of its own; and a client that leaves ends its handler.
func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{"announced": "Accept: text/event-stream", "not announced": "Accept: */*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next, left := make(chan string), make(chan struct{}, 2)
			url, cache := serve(t, func(c echo.Context) error {
				c.Response().Header().Set("Content-Type", "text/event-stream")
				c.Response().WriteHeader(http.StatusOK)
				c.Response().Flush()
				for {
					select {
					case event := <-next:
						_, _ = io.WriteString(c.Response(), "data: "+event+"\n")
						c.Response().Flush()
					case <-c.Request().Context().Done():
						left <- struct{}{}
						return nil
					}
				}
			})
			for range 2 {
				ctx, leave := context.WithCancel(t.Context())
				body := open(ctx, t, url, header)
				lines := bufio.NewScanner(body)
				for _, event := range []string{"one", "two"} {
					next <- event
					if !lines.Scan() || lines.Text() != "data: "+event {
						t.Fatalf("%q, want %q", lines.Text(), event)
					}
				}
				leave()
				<-left
			}
			if s := cache.Outputs().Stats(); s.Stored+s.Hits+s.Collapsed != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestHijackedConnections: a handler takes the connection over, as WebSocket libraries do, and both sides talk.
func TestHijackedConnections(t *testing.T) {
	t.Parallel()
	for name, upgrade := range map[string]string{
		"announced":     "Connection: Upgrade\r\nUpgrade: websocket\r\n",
		"not announced": "",
	} {
		url, cache := serve(t, func(c echo.Context) error {
			conn, both, err := c.Response().Hijack()
			if err != nil {
				return err
			}
			defer conn.Close()
			_, _ = both.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = both.Flush()
			said, err := both.ReadString('\n')
			_, _ = both.WriteString("you said " + said)
			return errors.Join(err, both.Flush())
		})
		host, _ := strings.CutPrefix(url, "http://")
		host, _, _ = strings.Cut(host, "/")
		for range 2 {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, "GET /live/x HTTP/1.1\r\nHost: "+host+"\r\n"+upgrade+"\r\n")
			in := bufio.NewReader(conn)
			status, _ := in.ReadString('\n')
			for line := status; line != "\r\n" && line != ""; {
				line, _ = in.ReadString('\n')
			}
			_, _ = io.WriteString(conn, "hello\n")
			if said, err := in.ReadString('\n'); err != nil || said != "you said hello\n" || !strings.Contains(status, " 101 ") {
				t.Errorf("%s: %q, %q, %v", name, status, said, err)
			}
			_ = conn.Close()
		}
		if s := cache.Outputs().Stats(); s.Stored+s.Hits+s.Collapsed != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestStreamingIsCaughtWhenBuffered: the mutant. Without a flush nothing arrives before the handler returns, so the
// tests above do see the difference.
func TestStreamingIsCaughtWhenBuffered(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	early, arrived := 0, &trail{ResponseRecorder: *httptest.NewRecorder()}
	e.GET("/:flush", func(c echo.Context) error {
		_, _ = io.WriteString(c.Response(), "data: one\n")
		if c.Param("flush") == "yes" {
			c.Response().Flush()
		}
		early = arrived.Body.Len()
		return nil
	}, cache.Output(output.For(hour)))
	for target, want := range map[string]int{"/yes": 10, "/no": 0} {
		arrived.Body.Reset()
		e.ServeHTTP(arrived, request(t, http.MethodGet, target))
		if early != want {
			t.Errorf("%s: %d bytes arrived before the handler returned, want %d", target, early, want)
		}
	}
}
