package security_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// failsafe ends what would otherwise wait for ever. No test passes by it.
const failsafe = 20 * time.Second

// app is an application under attack. Several processes may serve it; what it knows is of all of them.
type app struct {
	tb     testing.TB
	attack *attack

	mu    sync.Mutex
	calls map[string]int
	db    map[string]string
	outer int // answers that the outer middleware has marked

	asked    sync.WaitGroup // requests under way
	arrived  atomic.Int64
	entered  chan struct{} // a handler that works has begun
	expected atomic.Int64  // clients that ask at once
	leaving  atomic.Bool   // the client of the next request will leave
	left     atomic.Pointer[context.Context]
	heard    chan struct{} // the client has the first byte
	hear     func()
	early    atomic.Int64 // streams whose client had the first byte before the handler ended
}

func newApp(tb testing.TB, a *attack) *app {
	tb.Helper()
	x := &app{
		tb: tb, attack: a, calls: map[string]int{}, db: map[string]string{"x": "1"},
		entered: make(chan struct{}, 1024), heard: make(chan struct{}),
	}
	x.hear = sync.OnceFunc(func() { close(x.heard) })
	return x
}

// mounter returns what is mounted on a route for caching it.
type mounter interface {
	mount(a *attack, r *route) []echo.MiddlewareFunc
}

// bare mounts nothing: the application without a cache.
type bare struct{}

func (bare) mount(*attack, *route) []echo.MiddlewareFunc { return nil }

// serve returns one process of the application. who says who is asking, from what a client sends.
func (x *app) serve(m mounter, who func(*http.Request) string, log io.Writer) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(log)
	e.Use(x.watch, middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}), signIn(who))
	for _, pre := range x.attack.Setup.Pre {
		if pre != "echo.Gzip outside the cache" {
			x.tb.Fatalf("%s: pre %q is not known", x.attack.ID, pre)
		}
		e.Use(middleware.Gzip())
	}
	if x.attack.Setup.Outer != "" {
		e.Use(x.mark)
	}
	for _, r := range x.attack.Setup.Routes {
		chain := m.mount(x.attack, r)
		if x.attack.Setup.Order == "cache_then_auth" {
			chain = append(chain, authenticate)
		}
		e.Add(r.Method, r.Path, x.handler(r), chain...)
	}
	if w := x.attack.Setup.Writer; w != nil {
		r := &route{Method: http.MethodPost, Path: w.Path, Evict: w.Evict}
		e.Add(r.Method, r.Path, x.handler(r), m.mount(x.attack, r)...)
	}
	return e
}

// watch sees every request first and last.
func (x *app) watch(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		x.asked.Add(1)
		defer x.asked.Done()
		x.arrived.Add(1)
		if x.leaving.Load() {
			ctx := c.Request().Context()
			x.left.CompareAndSwap(nil, &ctx)
		}
		return next(c)
	}
}

// signIn is the application's authentication, outside of every cache.
func signIn(who func(*http.Request) string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Set("user", who(c.Request()))
			return next(c)
		}
	}
}

// authenticate is the same where it does not belong, inside.
func authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		user := c.Request().Header.Get("Authorization")
		if user == "" {
			return echo.ErrUnauthorized
		}
		c.Set("user", user)
		return next(c)
	}
}

func user(c echo.Context) string {
	u, _ := c.Get("user").(string)
	return u
}

// mark is the outer middleware of a case.
func (x *app) mark(next echo.HandlerFunc) echo.HandlerFunc {
	_, says, _ := strings.Cut(x.attack.Setup.Outer, "sets ")
	name, value, ok := strings.Cut(says, ": ")
	value, _, _ = strings.Cut(value, " ")
	if !ok {
		x.tb.Fatalf("%s: outer_middleware %q is not known", x.attack.ID, x.attack.Setup.Outer)
	}
	return func(c echo.Context) error {
		x.mu.Lock()
		x.outer++
		n := x.outer
		x.mu.Unlock()
		c.Response().Header().Add(name, x.render(c, value, n, ""))
		return next(c)
	}
}

func (x *app) called(r *route) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.calls[r.Method+" "+r.Path]++
	return x.calls[r.Method+" "+r.Path]
}

func (x *app) soFar() map[string]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.calls)
}

// handler does what the case says of the route's.
func (x *app) handler(r *route) echo.HandlerFunc {
	h := r.Handler
	return func(c echo.Context) error {
		n := x.called(r)
		var bound struct {
			Q string `query:"q" json:"q" form:"q"`
		}
		if has(h.Body, "{bind:") {
			if err := c.Bind(&bound); err != nil {
				return err
			}
		}
		if h.Write != "" {
			name, value, _ := strings.Cut(h.Write, "=")
			x.mu.Lock()
			x.db[name] = value
			x.mu.Unlock()
		}
		for _, line := range h.Headers {
			c.Response().Header().Add(line[0], x.render(c, line[1], n, bound.Q))
		}
		if h.Sleep != "" {
			x.work()
		}
		status, body := max(h.Status, http.StatusOK), h.Body
		for _, w := range h.When {
			if c.Request().Header.Get(w.Header) != "" {
				status, body = w.Status, w.Body
			}
		}
		return x.write(c, r, status, body, n, bound.Q)
	}
}

func (x *app) write(c echo.Context, r *route, status int, body string, n int, bound string) error {
	w := c.Response()
	switch size, letter := long(body); {
	case size > 1<<20: // in pieces, as nobody would hold it in memory
		w.WriteHeader(status)
		for piece := bytes.Repeat([]byte(letter), 32<<10); size > 0; size -= len(piece) {
			if _, err := w.Write(piece[:min(size, len(piece))]); err != nil {
				return err
			}
		}
		return nil
	case r.Handler.Abort != "":
		w.WriteHeader(status)
		_, _ = io.WriteString(w, x.render(c, body, n, bound)[:500])
		return errors.New("on purpose, after half of the body")
	case r.Handler.Stream != "":
		return x.stream(c, body)
	case r.RangeAware:
		http.ServeContent(w, c.Request(), "", time.Time{}, strings.NewReader(x.render(c, body, n, bound)))
		return nil
	case r.Conditional && c.Request().Header.Get("If-None-Match") == w.Header().Get("ETag"):
		return c.NoContent(http.StatusNotModified)
	}
	return c.String(status, x.render(c, body, n, bound))
}

// stream flushes three times, and goes on after the first only when the client has it.
func (x *app) stream(c echo.Context, body string) error {
	w := c.Response()
	w.Header().Set("Content-Type", "text/event-stream")
	for range 3 {
		if _, err := io.WriteString(w, body); err != nil {
			return err
		}
		w.Flush()
		select {
		case <-x.heard:
		case <-time.After(failsafe):
			return nil
		}
	}
	x.early.Add(1)
	return nil
}

// work takes as long as it must: until all who ask at once are there, or until the client that leaves has left.
func (x *app) work() {
	x.entered <- struct{}{}
	late := time.After(failsafe)
	if left := x.left.Load(); left != nil {
		select {
		case <-(*left).Done():
		case <-late:
			x.tb.Errorf("%s: nobody has left", x.attack.ID)
		}
	}
	for x.arrived.Load() < x.expected.Load() {
		select {
		case <-late:
			x.tb.Errorf("%s: %d clients of %d are there", x.attack.ID, x.arrived.Load(), x.expected.Load())
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// strip removes from a request what its policy does not declare, and orders its parameters by their names: what a handler
// sees of it while a page is filled.
func strip(r ask, declared []string) ask {
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h [2]string) bool {
		return !slices.Contains(append([]string{"Traceparent", "Tracestate", "X-Request-Id"}, declared...), h[0])
	})
	if path, query, ok := strings.Cut(r.Target, "?"); ok {
		parameters := strings.Split(query, "&")
		slices.SortStableFunc(parameters, func(a, b string) int {
			a, _, _ = strings.Cut(a, "=")
			b, _, _ = strings.Cut(b, "=")
			return strings.Compare(a, b)
		})
		r.Target = path + "?" + strings.Join(parameters, "&")
	}
	return r
}
