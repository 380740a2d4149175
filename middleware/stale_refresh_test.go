package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

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

// A request with a body asks for something else: it passes by and sets nothing off.
func TestStaleIsNotForARequestWithABody(t *testing.T) {
	inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
		o.want("200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(fresh + time.Second)
		w := httptest.NewRecorder()
		o.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", strings.NewReader("body")))
		synctest.Wait()
		if got := o.said(w); got != "200 run 2, fwd=bypass; detail=body" {
			t.Error(got)
		}
		if n := o.cache.Outputs().Stats().Refreshes; n != 0 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// What downstream is told of a stale page: it is to be asked for again at once, or may be used as RFC 5861 says if the
// application has said so.
func TestStaleDownstream(t *testing.T) {
	asks := response.Public(time.Minute).StaleWhileRevalidate(30 * time.Second).StaleIfError(time.Hour)
	for name, mount := range map[string]func(o *old){
		"outside": func(o *old) { o.GET("/told", o.handle, echocache.Response(asks), o.cache.Output(stalePolicy())) },
		"inside":  func(o *old) { o.GET("/told", o.handle, o.cache.Output(stalePolicy()), echocache.Response(asks)) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, stalePolicy(), echocache.Config{}, func(o *old) {
				mount(o)
				get(o.t, o, "/told")
				time.Sleep(fresh + time.Second)
				got := get(o.t, o, "/told").Header()
				if said := got.Get("Cache-Control"); said != "public, max-age=0, stale-while-revalidate=30, stale-if-error=3600" || got.Get("Age") != "11" {
					t.Errorf("Cache-Control: %s, Age: %s", said, got.Get("Age"))
				}
				synctest.Wait() // for the refresh, which is the second run
				o.want("200 run 3, fwd=uri-miss; stored; ttl=10")
				time.Sleep(fresh + time.Second)
				if said := get(o.t, o, "/page").Header().Get("Cache-Control"); said != "no-cache" {
					t.Errorf("where nobody says anything, Cache-Control: %s", said)
				}
			})
		})
	}
}
