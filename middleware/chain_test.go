package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

// Echo asks a middleware what is around a handler anew for every request. These tests are about what is remembered of that.

// A policy of a group is around the handler of each of its routes, of which there are more than are remembered, and which
// are all of the same code.
func TestChainKeepsHandlersApart(t *testing.T) {
	t.Parallel()
	const routes = 500
	for name, mounted := range map[string]func(*echocache.Cache) echo.MiddlewareFunc{
		"Output":   func(c *echocache.Cache) echo.MiddlewareFunc { return c.Output(output.For(hour).VaryQuery()) },
		"off":      func(c *echocache.Cache) echo.MiddlewareFunc { return c.Output(output.Off()) },
		"Evict":    func(c *echocache.Cache) echo.MiddlewareFunc { return c.Evict("a tag") },
		"Attach":   func(c *echocache.Cache) echo.MiddlewareFunc { return c.Attach() },
		"Response": func(*echocache.Cache) echo.MiddlewareFunc { return echocache.Response(response.Public(day)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEcho()
			g := e.Group("", mounted(newCache(t, echocache.Config{})))
			for i := range routes {
				g.GET("/"+strconv.Itoa(i), answers(http.StatusOK, "page "+strconv.Itoa(i)))
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for i := range 3 * routes {
						path := "/" + strconv.Itoa(i%routes)
						if w := get(t, e, path); w.Body.String() != "page "+path[1:] {
							t.Errorf("%s: %q", path, w.Body)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// A middleware that makes something of its own for each request, as Echo lets it, finds that and not an earlier one's.
func TestChainFollowsAChangingHandler(t *testing.T) {
	t.Parallel()
	e := newEcho()
	made := 0
	counting := func(next echo.HandlerFunc) echo.HandlerFunc {
		made++
		mine := made
		return func(c echo.Context) error {
			c.Response().Header().Set("X-Made", strconv.Itoa(mine))
			return next(c)
		}
	}
	e.GET("/:id", answers(http.StatusOK, "page"),
		newCache(t, echocache.Config{}).Output(output.For(hour)), counting)
	for i := 1; i <= 100; i++ {
		w := get(t, e, "/"+strconv.Itoa(i)) // a page of its own, so that the handler is run
		if got := w.Header().Get("X-Made"); got != strconv.Itoa(made) || made != i {
			t.Fatalf("request %d: by the one made %s, of %d", i, got, made)
		}
	}
}

// What is skipped is decided for each request, and not remembered.
func TestChainAsksTheSkipper(t *testing.T) {
	t.Parallel()
	e := newEcho()
	cache := newCache(t, echocache.Config{})
	skipping, err := echocache.OutputConfig{
		Cache: cache, Policy: output.For(hour).VaryQuery(), Skipper: func(c echo.Context) bool { return c.QueryParam("skip") != "" },
	}.ToMiddleware()
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	e.GET("/", func(c echo.Context) error { runs++; return c.String(http.StatusOK, fmt.Sprint("run ", runs)) }, skipping)
	for _, step := range []struct{ path, want string }{
		{"/", "run 1"}, {"/?skip=1", "run 2"}, {"/", "run 1"}, {"/?skip=2", "run 3"}, {"/", "run 1"},
	} {
		if got := get(t, e, step.path).Body.String(); got != step.want {
			t.Errorf("%s: %q, want %q", step.path, got, step.want)
		}
	}
}

// However many of its middlewares are mounted for everything and for a route, a hit makes no closure for them.
func TestChainOfManyAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	e := newEcho()
	e.Use(newCache(t, echocache.Config{}).Output(output.For(hour)))
	g := e.Group("", newCache(t, echocache.Config{}).Attach(), echocache.Response(response.Public(day)))
	for i := range 10 {
		g.GET("/"+strconv.Itoa(i), answers(http.StatusOK, "page"))
	}
	for i := range 10 {
		r, w := request(t, http.MethodGet, "/"+strconv.Itoa(i)), newBenchWriter()
		serve := func() { w.reset(); e.ServeHTTP(w, r) }
		serve()
		if n := testing.AllocsPerRun(100, serve); n != 0 {
			t.Errorf("route %d: %v allocations", i, n)
		}
	}
}

// What Echo makes for one request is let go with it: under a Pre middleware that has captured the request.
func TestI8_ChainHoldsNoRequest(t *testing.T) {
	t.Parallel()
	e := newEcho()
	e.Pre(echocache.Response(response.Public(day)))
	e.Use(newCache(t, echocache.Config{}).Attach())
	e.GET("/", answers(http.StatusOK, "page"))
	const requests = 1000
	gone := make(chan struct{}, requests)
	for range requests {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		runtime.AddCleanup(r, func(struct{}) { gone <- struct{}{} }, struct{}{})
		e.ServeHTTP(httptest.NewRecorder(), r)
	}
	for range 10 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // cleanups run in a goroutine of their own
	}
	if n := len(gone); n < requests-16 { // a few are in Echo's own pool
		t.Errorf("of %d requests %d are held", requests, requests-n)
	}
}

// Requests for whose answers Echo makes a handler each take no place of those that come again.
func TestChainAllocatesNothingAfterOptions(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	e := newEcho()
	e.Use(newCache(t, echocache.Config{}).Output(output.For(hour)))
	for i := range 20 {
		e.GET("/"+strconv.Itoa(i), answers(http.StatusOK, "page"))
	}
	for range 5000 {
		e.ServeHTTP(newBenchWriter(), request(t, http.MethodOptions, "/0"))
	}
	for i := range 20 {
		r, w := request(t, http.MethodGet, "/"+strconv.Itoa(i)), newBenchWriter()
		serve := func() { w.reset(); e.ServeHTTP(w, r) }
		for range 20 { // that it came before is noticed the second time, or a few times later
			serve()
		}
		if n := testing.AllocsPerRun(100, serve); n != 0 {
			t.Errorf("route %d: %v allocations", i, n)
		}
	}
}
