package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// old is an application with one cached page, /page, in a bubble. The page shows how often its handler ran.
type old struct {
	*echo.Echo

	t     *testing.T
	cache *echocache.Cache
	runs  atomic.Int64
	// behave, if set, is the handler of the run with this number.
	behave func(c echo.Context, run int64) error
	// refreshed counts the handler's runs that Refreshing reports.
	refreshed atomic.Int64
}

// fresh is how long a page of old is fresh.
const fresh = 10 * time.Second

// stalePolicy is a page's that is fresh for 10 s and has a use for a minute after that.
func stalePolicy() output.Policy {
	return output.For(fresh).Jitter(0).Tag("page").StaleWhileRevalidate(time.Minute)
}

// errorPolicy is the same, but that only a failure makes it show what is stale.
func errorPolicy() output.Policy {
	return output.For(fresh).Jitter(0).Tag("page").StaleIfError(time.Minute)
}

// inBubble runs f on an application under p, around in front of it.
func inBubble(t *testing.T, p output.Policy, c echocache.Config, f func(o *old), around ...echo.MiddlewareFunc) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &old{Echo: newEcho(), t: t, cache: newCache(t, c)}
		o.Use(around...)
		o.GET("/page", o.handle, o.cache.Output(p))
		f(o)
		synctest.Wait()
	})
}

func (o *old) handle(c echo.Context) error {
	run := o.runs.Add(1)
	if output.Refreshing(c.Request().Context()) {
		o.refreshed.Add(1)
	}
	if o.behave != nil {
		return o.behave(c, run)
	}
	return c.String(http.StatusOK, fmt.Sprint("run ", run))
}

// ask asks for the page and returns its status, body, and what the cache says, without the name.
func (o *old) ask() string { return o.said(get(o.t, o, "/page")) }

func (o *old) said(w *httptest.ResponseRecorder) string {
	_, status, _ := strings.Cut(strings.Join(w.Header()["Cache-Status"], ", "), "; ")
	return fmt.Sprintf("%d %s, %s", w.Code, strings.TrimSpace(w.Body.String()), status)
}

// want asks for the page once for each wanted answer.
func (o *old) want(wanted ...string) {
	o.t.Helper()
	for i, want := range wanted {
		if got := o.ask(); got != want {
			o.t.Errorf("answer %d:\n got %q\nwant %q", i+1, got, want)
		}
		synctest.Wait()
	}
}

func TestStaleWhileRevalidateAnswersAtOnceAndRefreshesOnce(t *testing.T) {
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		o.behave = func(c echo.Context, run int64) error {
			time.Sleep(time.Second)
			return c.String(http.StatusOK, fmt.Sprint("run ", run))
		}
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + 3500*time.Millisecond)
		began := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := o.ask(); got != "200 run 1, hit; ttl=-4; detail=memory" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("the stale page took %s", took)
		}
		time.Sleep(2 * time.Second)
		o.want("200 run 2, hit; ttl=9; detail=memory")
		if runs, refreshed := o.runs.Load(), o.refreshed.Load(); runs != 2 || refreshed != 1 {
			t.Errorf("%d runs, of them %d refreshes", runs, refreshed)
		}
		if s := o.cache.Outputs().Stats(); s.Stale != 50 || s.Refreshes != 1 || s.Unrefreshed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestStaleAgeAndDateAreOfTheOldAnswer(t *testing.T) {
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		date := get(o.t, o, "/page").Header().Get("Date")
		time.Sleep(fresh + 4*time.Second)
		again := get(o.t, o, "/page").Header()
		if again.Get("Age") != "14" || date != "" && again.Get("Date") != date || again.Get("Date") == "" {
			t.Errorf("Age %q, Date %q, was %q", again.Get("Age"), again.Get("Date"), date)
		}
	})
}

func TestStaleWindowEnds(t *testing.T) {
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Minute)
		o.want("200 run 2, fwd=uri-miss; stored; ttl=10")
		if n := o.refreshed.Load(); n != 0 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// Between the two windows the handler runs for whoever asks, and the answer says that there was something stale.
func TestStaleWindowsAreTheirOwn(t *testing.T) {
	p := stalePolicy().StaleIfError(5 * time.Minute)
	inBubble(t, p, echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + 2*time.Minute)
		o.want("200 run 2, fwd=stale; stored; ttl=10")
		time.Sleep(fresh + 2*time.Minute)
		o.behave = func(echo.Context, int64) error { return echo.ErrBadGateway }
		o.want("200 run 2, fwd=stale; fwd-status=502; ttl=-120; detail=error")
	})
}

// An evicted page is gone, stale or not.
func TestI1_StaleNeverShowsWhatWasEvicted(t *testing.T) {
	for name, p := range map[string]output.Policy{"while revalidating": stalePolicy(), "if error": errorPolicy()} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, p, echocache.Config{}, func(o *old) {
				o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
				time.Sleep(fresh + time.Second)
				if err := o.cache.Outputs().Evict(o.t.Context(), "page"); err != nil {
					t.Fatal(err)
				}
				o.behave = func(echo.Context, int64) error { return errors.New("no database") }
				if got := o.ask(); !strings.HasPrefix(got, "500 ") || strings.Contains(got, "hit") {
					t.Error(got)
				}
			})
		})
	}
}

// A handler that fails after the page was evicted must not be stood in for by what was found before.
func TestI1_StaleIfErrorLooksAgain(t *testing.T) {
	inBubble(t, errorPolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		o.behave = func(c echo.Context, _ int64) error {
			if err := o.cache.Outputs().Evict(c.Request().Context(), "page"); err != nil {
				t.Error(err)
			}
			return echo.ErrServiceUnavailable
		}
		if got := o.ask(); !strings.HasPrefix(got, "503 ") {
			t.Error(got)
		}
	})
}

// The refresh began before the eviction: neither its answer nor the old page is seen afterwards.
func TestI1_StaleRefreshIsFenced(t *testing.T) {
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		o.behave = func(c echo.Context, run int64) error {
			time.Sleep(time.Second)
			return c.String(http.StatusOK, fmt.Sprint("run ", run))
		}
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		o.want("200 run 1, hit; ttl=-1; detail=memory")
		time.Sleep(time.Second / 2)
		if err := o.cache.Outputs().Evict(o.t.Context(), "page"); err != nil {
			t.Fatal(err)
		}
		// It joins the refresh, which is fenced, looks again, and fills.
		o.want("200 run 3, fwd=uri-miss; stored; ttl=10", "200 run 3, hit; ttl=10; detail=memory")
	})
}
