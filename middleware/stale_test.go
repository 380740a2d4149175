package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

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
func (o *old) ask(headers ...string) string { return o.said(get(o.t, o, "/page", headers...)) }

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

// A refresh passes all middleware; what turns it away leaves the stale page as it is.
func TestStaleRefreshUnderALimiter(t *testing.T) {
	var seen []string
	limiter := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			seen = append(seen, fmt.Sprint(output.Refreshing(c.Request().Context())))
			if output.Refreshing(c.Request().Context()) {
				return echo.ErrTooManyRequests
			}
			return next(c)
		}
	}
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + 500*time.Millisecond)
		o.want("200 run 1, hit; ttl=-1; detail=memory", "200 run 1, hit; ttl=-1; detail=memory")
		if got := strings.Join(seen, " "); got != "false false true false" {
			t.Errorf("the limiter has seen %s", got)
		}
		if s := o.cache.Outputs().Stats(); s.Unrefreshed != 1 || s.Reasons["unreached"] != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Second)
		o.want("200 run 1, hit; ttl=-2; detail=memory")
		if s := o.cache.Outputs().Stats(); s.Refreshes != 2 {
			t.Errorf("%d refreshes: it should have been tried again after 1 s", s.Refreshes)
		}
	}, limiter)
}

// A session that has ended meanwhile: the refresh is nobody's, and the user's page stands for as long as it may.
func TestI4_StaleRefreshIsNotAnotherUsers(t *testing.T) {
	for name, becomes := range map[string]string{"nobody": "", "somebody else": "bob"} {
		t.Run(name, func(t *testing.T) {
			c := echocache.Config{User: func(c echo.Context) string {
				if output.Refreshing(c.Request().Context()) {
					return becomes
				}
				return "alice"
			}}
			inBubble(t, stalePolicy().PerUser(), c, func(o *old) {
				o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
				time.Sleep(fresh + time.Second)
				o.want("200 run 1, hit; ttl=-1; detail=memory", "200 run 1, hit; ttl=-1; detail=memory")
				if n := o.runs.Load(); n != 1 {
					t.Errorf("the handler ran %d times", n)
				}
				if s := o.cache.Outputs().Stats(); s.Refreshes != 1 || s.Unrefreshed != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// The refresh is the request as the server has delivered it, less what would keep it from getting the whole page.
func TestStaleRefreshIsTheRequestAsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho()
		cache := newCache(t, echocache.Config{})
		type key struct{}
		var views []string
		e.Pre(middleware.Rewrite(map[string]string{"/old/*": "/$1"}))
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				r := c.Request()
				views = append(views, fmt.Sprint(r.Method, " ", r.URL, " ", r.RequestURI, " ", r.Host, " ", r.RemoteAddr, " ",
					r.Header, " ", r.ContentLength, " ", r.Context().Value(key{}), " ", r.Context().Value(http.LocalAddrContextKey)))
				c.SetRequest(r.WithContext(context.WithValue(r.Context(), key{}, "session")))
				return next(c)
			}
		})
		runs := 0
		e.GET("/page/:id", func(c echo.Context) error { runs++; return c.String(http.StatusOK, c.Param("id")) }, cache.Output(stalePolicy().Public()))
		ask := func() *httptest.ResponseRecorder {
			r := request(t, http.MethodGet, "/old/page/a%2Fb?q=%20", "Authorization: Bearer x", "If-None-Match: \"y\"", "Cookie: a=b")
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, "here"))
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			return w
		}
		ask()
		time.Sleep(fresh + time.Second)
		ask()
		synctest.Wait()
		if len(views) != 3 || runs != 2 {
			t.Fatalf("%d runs, seen %q", runs, views)
		}
		if want := strings.Replace(views[1], " If-None-Match:[\"y\"]", "", 1); views[2] != want || want == views[1] {
			t.Errorf("the refresh was\n%s\nwant\n%s", views[2], want)
		}
		if w := ask(); !strings.Contains(w.Header().Get("Cache-Status"), "hit; ttl=10") {
			t.Error(w.Header())
		}
	})
}

// Only one at a time: a fill that is under way already is the refresh.
func TestStaleRefreshLeavesAFillAlone(t *testing.T) {
	p := output.For(fresh).Jitter(0).StaleWhileRevalidate(time.Minute)
	inBubble(t, p, echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Minute - time.Second)
		o.behave = func(c echo.Context, run int64) error {
			time.Sleep(3 * time.Second)
			return c.String(http.StatusOK, fmt.Sprint("run ", run))
		}
		o.want("200 run 1, hit; ttl=-59; detail=memory") // and a refresh, which takes longer than the window
		time.Sleep(2 * time.Second)
		o.want("200 run 2, fwd=uri-miss; collapsed; ttl=10")
		if n := o.runs.Load(); n != 2 {
			t.Errorf("the handler ran %d times", n)
		}
	})
}

// A refresh takes a place among MaxFills only if there is one: clients come first.
func TestStaleRefreshGivesWayToClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outputs, err := output.New(output.Config{MaxFills: 1})
		if err != nil {
			t.Fatal(err)
		}
		cache := newCache(t, echocache.Config{Cache: outputs})
		defer outputs.Close()
		o := &old{Echo: newEcho(), t: t, cache: cache}
		o.GET("/page", o.handle, cache.Output(stalePolicy()))
		o.GET("/slow", func(c echo.Context) error { time.Sleep(time.Second); return c.String(200, "slow") }, cache.Output(stalePolicy()))
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second/2)
		go get(t, o, "/slow")
		synctest.Wait()
		o.want("200 run 1, hit; ttl=-1; detail=memory", "200 run 1, hit; ttl=-1; detail=memory")
		if n := o.runs.Load(); n != 1 {
			t.Errorf("the handler ran %d times while there was no place", n)
		}
		time.Sleep(1100 * time.Millisecond)
		o.want("200 run 1, hit; ttl=-2; detail=memory", "200 run 2, hit; ttl=10; detail=memory")
	})
}

// Close ends a refresh, waits for it, and lets none begin.
func TestStaleRefreshEndsAtClose(t *testing.T) {
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		ended := false
		o.behave = func(c echo.Context, _ int64) error {
			<-c.Request().Context().Done()
			time.Sleep(time.Second)
			ended = true
			return c.Request().Context().Err()
		}
		o.want("200 run 1, hit; ttl=-1; detail=memory")
		if err := o.cache.Close(); err != nil || !ended {
			t.Errorf("%v, ended: %v", err, ended)
		}
		o.behave = nil
		o.want("200 run 3, fwd=bypass; detail=off")
	})
}

// A refresh that ignores its context is told of.
func TestStaleRefreshThatHangsIsToldAtClose(t *testing.T) {
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		release := make(chan struct{})
		o.behave = func(echo.Context, int64) error { <-release; return nil }
		o.want("200 run 1, hit; ttl=-1; detail=memory")
		if err := o.cache.Close(); err == nil || !strings.Contains(err.Error(), "1 refreshes") {
			t.Error(err)
		}
		close(release)
	})
}

// Handlers that do everything but answer: as a refresh, too, none leaves anything behind, and the stale page stands.
func TestStaleRefreshOfStrangeHandlers(t *testing.T) {
	for name, behave := range map[string]func(echo.Context, int64) error{
		"panics":  func(echo.Context, int64) error { panic("oh") },
		"aborts":  func(echo.Context, int64) error { panic(http.ErrAbortHandler) },
		"hijacks": func(c echo.Context, _ int64) error { _, _, err := c.Response().Hijack(); return err },
		"flushes": func(c echo.Context, _ int64) error {
			_ = c.String(http.StatusOK, "part")
			c.Response().Flush()
			return nil
		},
		"streams for ever": func(c echo.Context, _ int64) error {
			for {
				if _, err := c.Response().Write([]byte("more")); err != nil {
					return err
				}
				c.Response().Flush()
				time.Sleep(time.Second)
			}
		},
		"informs": func(c echo.Context, _ int64) error {
			c.Response().Header().Set("Link", "</x.css>; rel=preload")
			c.Response().Writer.WriteHeader(http.StatusEarlyHints)
			return echo.ErrBadGateway
		},
		"sets a cookie": func(c echo.Context, _ int64) error {
			c.SetCookie(&http.Cookie{Name: "a", Value: "b"})
			return c.String(http.StatusOK, "own")
		},
		"hangs":            func(c echo.Context, _ int64) error { <-c.Request().Context().Done(); return nil },
		"ends its routine": func(echo.Context, int64) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
				o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
				time.Sleep(fresh + time.Second/2)
				o.behave = behave
				o.want("200 run 1, hit; ttl=-1; detail=memory")
				time.Sleep(31 * time.Second) // longer than any fill may take
				if n := o.runs.Load(); n != 2 {
					t.Errorf("the handler ran %d times", n)
				}
				s := o.cache.Outputs().Stats()
				if s.Unrefreshed != 1 || s.Filling != 0 || s.Stored != 1 {
					t.Errorf("%+v", s)
				}
				o.behave = func(c echo.Context, run int64) error { return c.String(http.StatusOK, fmt.Sprint("run ", run)) }
				o.want("200 run 1, hit; ttl=-32; detail=memory", "200 run 3, hit; ttl=10; detail=memory")
			})
		})
	}
}

// Of two policies on one request the inner one decides, stale pages included, and its refresh finds it.
func TestStaleRefreshThroughAGroupsPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &old{Echo: newEcho(), t: t, cache: newCache(t, echocache.Config{})}
		g := o.Group("", o.cache.Output(output.For(time.Minute)))
		g.GET("/page", o.handle, o.cache.Output(stalePolicy()))
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		o.want("200 run 1, hit; ttl=-1; detail=memory", "200 run 2, hit; ttl=10; detail=memory")
	})
}
