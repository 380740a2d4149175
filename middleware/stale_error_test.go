package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// Every way in which a handler can fail, and what is no failure.
func TestStaleIfErrorReplacesFailuresOnly(t *testing.T) {
	teapot := errors.New("short and stout")
	status := func(code int) func(echo.Context, int64) error {
		return func(c echo.Context, _ int64) error { return c.String(code, "own answer") }
	}
	const stale = "200 run 1, fwd=stale; "
	for name, row := range map[string]struct {
		behave func(echo.Context, int64) error
		want   string
	}{
		"an error":          {func(echo.Context, int64) error { return errors.New("no database") }, stale + "fwd-status=500; ttl=-1; detail=error"},
		"an HTTP error":     {func(echo.Context, int64) error { return echo.ErrBadGateway }, stale + "fwd-status=502; ttl=-1; detail=error"},
		"a 500":             {status(500), stale + "fwd-status=500; ttl=-1; detail=status"},
		"a 503":             {status(503), stale + "fwd-status=503; ttl=-1; detail=status"},
		"a panic":           {func(echo.Context, int64) error { panic("oh") }, stale + "ttl=-1; detail=panic"},
		"an aborted answer": {func(echo.Context, int64) error { panic(http.ErrAbortHandler) }, stale + "ttl=-1; detail=panic"},
		"a dropped upstream": {func(c echo.Context, _ int64) error {
			c.Response().Header().Set("Content-Length", "100")
			return c.String(http.StatusOK, "half of it")
		}, stale + "ttl=-1; detail=short-body"},
		"a timeout": {func(c echo.Context, _ int64) error {
			ctx, cancel := context.WithTimeout(c.Request().Context(), time.Millisecond)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		}, stale + "fwd-status=500; ttl=-2; detail=error"},
		"the fill's own deadline": {func(c echo.Context, _ int64) error {
			<-c.Request().Context().Done()
			return c.Request().Context().Err()
		}, stale + "fwd-status=500; ttl=-31; detail=error"},
		"a 404":                     {status(404), "404 own answer, fwd=stale; detail=status"},
		"a returned 404":            {func(echo.Context, int64) error { return echo.ErrNotFound }, `404 {"message":"Not Found"}, fwd=stale; detail=error`},
		"an error that means a 404": {func(echo.Context, int64) error { return teapot }, "418 teapot, fwd=stale; detail=error"},
		"no-store": {func(c echo.Context, _ int64) error {
			c.Response().Header().Set("Cache-Control", "no-store")
			return c.String(http.StatusOK, "own answer")
		}, "200 own answer, fwd=stale; detail=no-store"},
		"an answer that had begun": {func(c echo.Context, _ int64) error {
			_ = c.String(http.StatusBadGateway, "own answer")
			c.Response().Flush()
			return nil
		}, "502 own answer, fwd=stale; detail=streamed"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, errorPolicy(), echocache.Config{}, func(o *old) {
				def := o.HTTPErrorHandler
				o.HTTPErrorHandler = func(err error, c echo.Context) {
					if errors.Is(err, teapot) {
						_ = c.String(http.StatusTeapot, "teapot")
						return
					}
					def(err, c)
				}
				o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
				time.Sleep(fresh + time.Second)
				o.behave = row.behave
				o.want(row.want)
			})
		})
	}
}

// Without a stale page a failure is what it is without a cache.
func TestStaleIfErrorHasNothingAtFirst(t *testing.T) {
	inBubble(t, errorPolicy(), echocache.Config{}, func(o *old) {
		o.behave = func(_ echo.Context, run int64) error {
			if run == 1 {
				return echo.ErrBadGateway
			}
			panic("oh")
		}
		o.want(`502 {"message":"Bad Gateway"}, fwd=uri-miss; detail=error`)
		defer func() {
			if v := recover(); v != "oh" {
				t.Errorf("it panicked with %v", v)
			}
		}()
		o.ask()
	})
}

// A failing handler is not tried again for 1 s, then 2, 4, … 30 s, and the page answers at once meanwhile; a success ends
// that.
func TestStaleIfErrorBacksOff(t *testing.T) {
	inBubble(t, output.For(fresh).Jitter(0).StaleIfError(time.Hour), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh)
		began := time.Now()
		var tried []int
		o.behave = func(_ echo.Context, _ int64) error {
			tried = append(tried, int(time.Since(began).Seconds()+0.5))
			return echo.ErrBadGateway
		}
		for range 1200 {
			time.Sleep(100 * time.Millisecond)
			if got := o.ask(); !strings.HasPrefix(got, "200 run 1, ") {
				t.Fatal(got)
			}
		}
		if want := []int{0, 1, 3, 7, 15, 31, 61, 91}; !slices.Equal(tried, want) {
			t.Errorf("tried after %v s, want %v", tried, want)
		}
		o.behave = nil
		time.Sleep(30 * time.Second)
		last := o.runs.Load() + 1
		o.want(fmt.Sprintf("200 run %d, fwd=stale; stored; ttl=10", last))
		time.Sleep(fresh)
		o.behave = func(echo.Context, int64) error { return echo.ErrBadGateway }
		o.want(fmt.Sprintf("200 run %d, fwd=stale; fwd-status=502; ttl=0; detail=error", last))
		time.Sleep(1100 * time.Millisecond)
		o.behave = nil
		o.want(fmt.Sprintf("200 run %d, fwd=stale; stored; ttl=10", last+2)) // the first pause is 1 s again
	})
}

// All who wait for a handler that fails get the stale page; none of them tries on its own.
func TestStaleIfErrorIsForAllWhoWait(t *testing.T) {
	inBubble(t, errorPolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		o.behave = func(echo.Context, int64) error {
			time.Sleep(time.Second)
			return echo.ErrBadGateway
		}
		var all sync.WaitGroup
		answers := make([]string, 20)
		for i := range answers {
			all.Go(func() { answers[i] = o.ask() })
		}
		all.Wait()
		slices.Sort(answers)
		if got := slices.Compact(slices.Clone(answers)); len(got) != 2 ||
			got[0] != "200 run 1, fwd=stale; collapsed; ttl=-2; detail=error" || got[1] != "200 run 1, fwd=stale; fwd-status=502; ttl=-2; detail=error" {
			t.Errorf("%q", got)
		}
		if n := o.runs.Load(); n != 2 {
			t.Errorf("the handler ran %d times", n)
		}
	})
}

// A handler that hangs holds its own client only: the others get the stale page when their patience is over.
func TestStaleIfErrorWhenTheHandlerHangs(t *testing.T) {
	inBubble(t, errorPolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		release := make(chan struct{})
		o.behave = func(echo.Context, int64) error { <-release; return nil }
		go o.ask()
		synctest.Wait()
		o.want("200 run 1, fwd=stale; collapsed; ttl=-31; detail=deadline")
		close(release)
	})
}

// A HEAD, which leaves nothing to keep, is stood in for as well.
func TestStaleIfErrorForHead(t *testing.T) {
	inBubble(t, errorPolicy(), echocache.Config{}, func(o *old) {
		o.HEAD("/page", o.handle, o.cache.Output(errorPolicy()))
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		o.behave = func(echo.Context, int64) error { return echo.ErrBadGateway }
		w := send(o.t, o, http.MethodHead, "/page")
		if got := o.said(w); got != "200 , fwd=stale; fwd-status=502; ttl=-1; detail=error" || w.Header().Get("Content-Length") != "5" {
			t.Errorf("%s %v", got, w.Header())
		}
		time.Sleep(time.Second)
		o.behave = nil
		if got := o.said(send(o.t, o, http.MethodHead, "/page")); !strings.HasSuffix(got, "fwd=stale; detail=head") {
			t.Error(got)
		}
	})
}
