package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// strange are handlers that do anything but answer once and whole.
var strange = map[string]echo.HandlerFunc{
	"panics":             func(echo.Context) error { panic("oh") },
	"panics half-way":    func(c echo.Context) error { _, _ = c.Response().Write([]byte("half")); panic("oh") },
	"aborts":             func(echo.Context) error { panic(http.ErrAbortHandler) },
	"aborts half-way":    func(c echo.Context) error { _, _ = c.Response().Write([]byte("half")); panic(http.ErrAbortHandler) },
	"returns an error":   func(echo.Context) error { return errors.New("no database") },
	"fails after a head": func(c echo.Context) error { c.Response().WriteHeader(http.StatusAccepted); return errors.New("late") },
	"writes nothing":     func(echo.Context) error { return nil },
	"breaks off": func(c echo.Context) error {
		c.Response().Header().Set("Content-Length", "10")
		_, err := c.Response().Write([]byte("half"))
		return err
	},
	"flushes": func(c echo.Context) error {
		for i := range 3 {
			_, _ = fmt.Fprintf(c.Response(), "part %d\n", i)
			c.Response().Flush()
		}
		return nil
	},
	"flushes and panics": func(c echo.Context) error {
		_, _ = c.Response().Write([]byte("half"))
		c.Response().Flush()
		panic(http.ErrAbortHandler)
	},
	"streams much": func(c echo.Context) error {
		return c.Stream(http.StatusOK, "text/plain", strings.NewReader(strings.Repeat("x", 2<<20)))
	},
	"hijacks": func(c echo.Context) error {
		conn, _, err := c.Response().Hijack()
		if err != nil {
			return err
		}
		_, err = io.WriteString(conn, "HTTP/1.1 299 Own\r\nContent-Length: 3\r\nConnection: close\r\n\r\nown")
		return errors.Join(err, conn.Close())
	},
	"informs": func(c echo.Context) error {
		c.Response().Header().Set("Link", "</x.css>; rel=preload")
		c.Response().Writer.WriteHeader(http.StatusEarlyHints)
		c.Response().Header().Del("Link")
		return echo.NewHTTPError(http.StatusBadGateway, "after all")
	},
	"sends a trailer": func(c echo.Context) error {
		c.Response().Header().Set("Trailer", "X-Sum")
		_, err := c.Response().Write([]byte("body"))
		c.Response().Header().Set("X-Sum", "1")
		return err
	},
	"ends its goroutine": func(echo.Context) error { runtime.Goexit(); return nil },
}

// everyPolicy is a policy of each kind.
var everyPolicy = map[string]output.Policy{
	"plain":              output.For(hour),
	"while revalidating": output.For(hour).StaleWhileRevalidate(hour),
	"if error":           output.For(hour).StaleIfError(hour),
	"both, public":       output.For(hour).Public().StaleWhileRevalidate(hour).StaleIfError(2 * hour),
	"per user":           output.For(hour).PerUser().StaleIfError(hour),
	"fleet":              output.For(hour).CollapseFleet().StaleIfError(hour),
	"small":              output.For(hour).MaxBytes(2).StaleIfError(hour),
}

// wireAnswer is what a client on the network sees of an answer: heads, informational ones too, body, and how it ends.
func wireAnswer(t *testing.T, address string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: shop.example\r\nX-User: alice\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(conn)
	head, body, _ := strings.Cut(string(all), "\r\n\r\n")
	if len(body) > 1<<10 {
		body = fmt.Sprintf("%d x", strings.Count(body, "x")) // where it is cut into chunks may differ
	}
	return itsOwn.ReplaceAllString(head+"\r\n\r\n"+body, "") + fmt.Sprint(" ", err)
}

// itsOwn is what may differ: what the cache says, and the time.
var itsOwn = regexp.MustCompile(`(?m)^(?:Cache-Status|Date): [^\n]*\n`)

// Under every policy a client sees of a strange handler what it sees without a cache; nothing is stored, and nothing is
// left behind.
func TestStrangeHandlersUnderEveryPolicy(t *testing.T) {
	t.Parallel()
	for name, handler := range strange {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := func(m ...echo.MiddlewareFunc) string {
				e := newEcho()
				e.GET("/x", handler, m...)
				server := httptest.NewUnstartedServer(e)
				server.Config.ErrorLog = quietLog()
				server.Start()
				t.Cleanup(server.Close)
				return server.Listener.Addr().String()
			}
			want := wireAnswer(t, start())
			for kind, policy := range everyPolicy {
				cache := newCache(t, echocache.Config{User: userFromHeader})
				if kind != "per user" {
					cache = newCache(t, echocache.Config{})
				}
				address := start(cache.Output(policy))
				for range 2 {
					if got := wireAnswer(t, address); got != want {
						t.Errorf("%s:\n got %q\nwant %q", kind, got, want)
					}
				}
				for began := time.Now(); cache.Outputs().Stats().Filling > 0 && time.Since(began) < 10*time.Second; {
					time.Sleep(time.Millisecond) // who hijacks has answered before it returns
				}
				if s := cache.Outputs().Stats(); s.Stored != 0 || s.Filling != 0 || s.Waiting != 0 || s.Misses != 2 {
					t.Errorf("%s: %+v", kind, s)
				}
			}
		})
	}
}
