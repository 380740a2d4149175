package middleware_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// trail writes down in which order things happen: the evictions of a backend, a handler's own notes, and the moment at
// which the client sees the first byte.
type trail struct {
	httptest.ResponseRecorder

	steps []string
}

func (w *trail) note(step string) { w.steps = append(w.steps, step) }

func (w *trail) WriteHeader(code int) {
	w.note("head")
	w.ResponseRecorder.WriteHeader(code)
}

func (w *trail) Write(b []byte) (int, error) {
	if len(w.steps) == 0 || w.steps[len(w.steps)-1] != "body" {
		w.note("body")
	}
	return w.ResponseRecorder.Write(b)
}

func (w *trail) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.note("hijack")
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	return ours, nil, nil
}

func (w *trail) evict(_ context.Context, tags []string) error {
	for _, tag := range tags {
		w.note("evict " + tag)
	}
	return nil
}

// follow sends a write to a handler behind Evict("t") and returns what happened in which order.
func follow(t *testing.T, handler func(w *trail) echo.HandlerFunc, chain ...func(*trail, *echocache.Cache) echo.MiddlewareFunc) *trail {
	t.Helper()
	backend := newFakeBackend(t)
	w := &trail{ResponseRecorder: *httptest.NewRecorder()}
	backend.onEvict = w.evict
	cache := newCacheOver(t, backend, echocache.Config{})
	e := newEcho()
	var all []echo.MiddlewareFunc
	for _, made := range chain {
		all = append(all, made(w, cache))
	}
	e.POST("/", handler(w), all...)
	func() {
		defer func() {
			if recover() != nil {
				w.note("panic")
			}
		}()
		e.ServeHTTP(w, request(t, http.MethodPost, "/"))
	}()
	return w
}

func evictT(_ *trail, cache *echocache.Cache) echo.MiddlewareFunc { return cache.Evict("t") }

func recovers(*trail, *echocache.Cache) echo.MiddlewareFunc {
	return quietRecover()
}

// transaction commits when the handler has returned without an error, and rolls back otherwise.
func transaction(w *trail, _ *echocache.Cache) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			if err != nil {
				w.note("rollback")
			} else {
				w.note("commit")
			}
			return err
		}
	}
}

// plain is a handler that writes nothing down.
func plain(h echo.HandlerFunc) func(*trail) echo.HandlerFunc {
	return func(*trail) echo.HandlerFunc { return h }
}

// TestEvictMoments names I-1: nothing of the answer precedes the eviction, and nothing that is committed afterwards is
// missed by it.
func TestEvictMoments(t *testing.T) {
	t.Parallel()
	created := func(c echo.Context) error { return c.JSON(http.StatusCreated, "x") }
	for _, row := range []struct {
		name    string
		handler func(*trail) echo.HandlerFunc
		chain   []func(*trail, *echocache.Cache) echo.MiddlewareFunc
		want    []string
	}{
		{
			"an answer", plain(created), nil,
			[]string{"evict t", "head", "body", "evict t"},
		},
		{
			"committed after the answer", func(w *trail) echo.HandlerFunc {
				return func(c echo.Context) error {
					err := created(c)
					w.note("commit")
					return err
				}
			}, nil,
			[]string{"evict t", "head", "body", "commit", "evict t"},
		},
		{
			"a transaction inside", plain(created), []func(*trail, *echocache.Cache) echo.MiddlewareFunc{transaction},
			[]string{"evict t", "head", "body", "commit", "evict t"},
		},
		{
			"nothing written", plain(func(echo.Context) error { return nil }), nil,
			[]string{"evict t"},
		},
		{
			"written past the response", func(w *trail) echo.HandlerFunc {
				return func(echo.Context) error {
					_, err := w.Write([]byte("raw"))
					return err
				}
			}, nil,
			[]string{"body", "evict t"},
		},
		{
			"hijacked", plain(func(c echo.Context) error {
				conn, _, err := c.Response().Hijack()
				if err == nil {
					_ = conn.Close()
				}
				return err
			}), nil,
			[]string{"hijack", "evict t"},
		},
		{
			"early hints first", plain(func(c echo.Context) error {
				c.Response().Writer.WriteHeader(http.StatusEarlyHints)
				return created(c)
			}), nil,
			[]string{"head", "evict t", "head", "body", "evict t"},
		},
		{
			// Echo takes it for the answer, and nothing after it is counted as one.
			"early hints by Echo's response", plain(func(c echo.Context) error {
				c.Response().WriteHeader(http.StatusEarlyHints)
				return nil
			}), nil,
			[]string{"head", "evict t"},
		},
		{
			"a panic", plain(func(echo.Context) error { panic("on purpose") }), nil,
			[]string{"evict t", "panic"},
		},
		{
			"a panic after the answer", plain(func(c echo.Context) error { _ = created(c); panic("on purpose") }), nil,
			[]string{"evict t", "head", "body", "evict t", "panic"},
		},
		{
			"Recover inside", plain(func(echo.Context) error { panic("on purpose") }),
			[]func(*trail, *echocache.Cache) echo.MiddlewareFunc{recovers}, // it answers by c.Error
			[]string{"evict t", "head", "body", "evict t"},
		},
		{
			"refused", plain(func(echo.Context) error { return echo.ErrBadRequest }), nil,
			[]string{"head", "body"},
		},
		{
			"refused and rolled back", plain(func(echo.Context) error { return echo.ErrConflict }),
			[]func(*trail, *echocache.Cache) echo.MiddlewareFunc{transaction},
			[]string{"rollback", "head", "body"},
		},
		{
			"failed", plain(func(echo.Context) error { return errors.New("who knows whether it was committed") }), nil,
			[]string{"evict t", "head", "body"},
		},
		{
			"an error after the answer", plain(func(c echo.Context) error { _ = created(c); return errors.New("late") }), nil,
			[]string{"evict t", "head", "body", "evict t"},
		},
	} {
		got := follow(t, row.handler, append([]func(*trail, *echocache.Cache) echo.MiddlewareFunc{evictT}, row.chain...)...).steps
		if d := cmp.Diff(row.want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", row.name, d)
		}
	}
	// Recover outside: the panic evicts on its way up, and the 500 that Recover then writes passes the same Evict's hook.
	got := follow(t, plain(func(echo.Context) error { panic("on purpose") }), recovers, evictT).steps
	if d := cmp.Diff([]string{"evict t", "evict t", "head", "body"}, got); d != "" {
		t.Errorf("Recover outside: -want +got\n%s", d)
	}
}

// TestEvictMomentsMutants: two Evicts of one moment only, as peers have them. The trail must show what they miss.
func TestEvictMomentsMutants(t *testing.T) {
	t.Parallel()
	onlyAfter := func(_ *trail, cache *echocache.Cache) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				defer func() { _ = cache.Outputs().Evict(c.Request().Context(), "t") }()
				return next(c)
			}
		}
	}
	onlyBefore := func(_ *trail, cache *echocache.Cache) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				c.Response().Before(func() { _ = cache.Outputs().Evict(c.Request().Context(), "t") })
				return next(c)
			}
		}
	}
	answer := plain(func(c echo.Context) error { return c.JSON(http.StatusCreated, "x") })
	if d := cmp.Diff([]string{"head", "body", "evict t"}, follow(t, answer, onlyAfter).steps); d != "" {
		t.Errorf("only after: -want +got\n%s", d)
	}
	if d := cmp.Diff([]string{"evict t", "head", "body", "commit"}, follow(t, answer, onlyBefore, transaction).steps); d != "" {
		t.Errorf("only before: -want +got\n%s", d)
	}
}

// TestEvictByStatus: a refused write evicts nothing; whatever may have changed something does.
func TestEvictByStatus(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{
		200: true, 201: true, 202: true, 204: true, 301: true, 303: true, 304: true, 500: true, 502: true, 503: true, 599: true,
		400: false, 401: false, 403: false, 404: false, 405: false, 409: false, 412: false, 422: false, 429: false, 499: false,
	} {
		for name, handler := range map[string]echo.HandlerFunc{
			"written":  func(c echo.Context) error { return c.NoContent(code) },
			"returned": func(echo.Context) error { return echo.NewHTTPError(code) },
		} {
			w := follow(t, plain(handler), evictT)
			evicted := len(w.steps) > 0 && w.steps[0] == "evict t"
			if evicted != want || w.Code != code {
				t.Errorf("%d %s: %q, status %d; want an eviction: %t", code, name, w.steps, w.Code, want)
			}
		}
	}
}

// reader is a client that asks for the page when the first byte of the answer to its write arrives.
type reader struct {
	httptest.ResponseRecorder

	ask  func() string
	read string
}

func (w *reader) WriteHeader(code int) {
	w.read = w.ask()
	w.ResponseRecorder.WriteHeader(code)
}

// TestWriterSeesItsWrite names I-1 from a client's view: whoever acts on the first byte of the answer to a write reads
// what was written.
func TestWriterSeesItsWrite(t *testing.T) {
	t.Parallel()
	read := func(mount func(*echocache.Cache) echo.MiddlewareFunc) string {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		price := "old"
		e.GET("/price", func(c echo.Context) error { return c.String(http.StatusOK, price) }, cache.Output(output.For(hour).Tag("price")))
		e.PUT("/price", func(c echo.Context) error {
			price = "new"
			return c.NoContent(http.StatusNoContent)
		}, mount(cache))
		get(t, e, "/price")
		w := &reader{ResponseRecorder: *httptest.NewRecorder(), ask: func() string { return get(t, e, "/price").Body.String() }}
		e.ServeHTTP(w, request(t, http.MethodPut, "/price"))
		return w.read
	}
	if got := read(func(c *echocache.Cache) echo.MiddlewareFunc { return c.Evict("price") }); got != "new" {
		t.Errorf("read %q", got)
	}
	mutant := func(c *echocache.Cache) echo.MiddlewareFunc {
		return func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(ctx echo.Context) error {
				defer func() { _ = c.Outputs().Evict(ctx.Request().Context(), "price") }()
				return next(ctx)
			}
		}
	}
	if got := read(mutant); got != "old" {
		t.Errorf("an eviction after the answer went unnoticed: read %q", got)
	}
}
