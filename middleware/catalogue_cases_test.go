package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// one is an application with one cached route, /x, and whatever is below it.
func one(t *testing.T, cache *echocache.Cache, p output.Policy, h echo.HandlerFunc) *echo.Echo {
	t.Helper()
	e := newEcho()
	e.GET("/x", h, cache.Output(p))
	e.GET("/x/*", h, cache.Output(p))
	return e
}

func nothingWritten(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := one(t, cache, output.For(hour), func(c echo.Context) error {
		c.Response().Header().Set("X-Set", "yes")
		return nil
	})
	for range 2 {
		if w := get(t, e, "/x"); w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("X-Set") != "yes" || verdict(w) == "hit" {
			t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
		}
	}
}

// crowd sends n requests for one page at once; the first, which fills it, is held at gate until the others wait.
func crowd(t *testing.T, e *echo.Echo, n int, gate chan struct{}) []*httptest.ResponseRecorder {
	t.Helper()
	answers := make([]*httptest.ResponseRecorder, n)
	var done sync.WaitGroup
	for i := range answers {
		done.Go(func() { answers[i] = get(t, e, "/x") })
		synctest.Wait()
	}
	close(gate)
	done.Wait()
	return answers
}

func panicWithWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, echocache.Config{})
		gate := make(chan struct{})
		var mu sync.Mutex
		ran := 0
		e := one(t, cache, output.For(hour), func(c echo.Context) error {
			mu.Lock()
			ran++
			first := ran == 1
			mu.Unlock()
			if <-gate; first {
				panic("the one that fills")
			}
			return c.String(http.StatusOK, "fine")
		})
		e.Use(middleware.Recover())
		for i, w := range crowd(t, e, 4, gate) {
			want := http.StatusOK
			if i == 0 {
				want = http.StatusInternalServerError
			}
			if w.Code != want {
				t.Errorf("request %d: %d, want %d", i+1, w.Code, want)
			}
		}
		if w := get(t, e, "/x"); w.Body.String() != "fine" {
			t.Errorf("afterwards: %q", w.Body)
		}
	})
}

func leaderLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, echocache.Config{})
		gate, ran := make(chan struct{}), 0
		e := one(t, cache, output.For(hour), func(c echo.Context) error {
			ran++
			select {
			case <-gate:
			case <-c.Request().Context().Done():
				return c.Request().Context().Err()
			}
			return c.String(http.StatusOK, "made for others")
		})
		ctx, leave := context.WithCancel(t.Context())
		var leader sync.WaitGroup
		leader.Go(func() { e.ServeHTTP(httptest.NewRecorder(), request(t, http.MethodGet, "/x").WithContext(ctx)) })
		synctest.Wait()
		leave()
		synctest.Wait()
		for _, w := range crowd(t, e, 3, gate) {
			if w.Body.String() != "made for others" {
				t.Errorf("%d %q", w.Code, w.Body)
			}
		}
		leader.Wait()
		if ran != 1 {
			t.Errorf("the handler ran %d times", ran)
		}
	})
}

// slowReader is a client that does not read.
type slowReader struct {
	http.ResponseWriter

	reads chan struct{}
}

func (w *slowReader) Write(b []byte) (int, error) {
	<-w.reads
	return w.ResponseWriter.Write(b)
}

func leaderIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, echocache.Config{})
		e := one(t, cache, output.For(hour), func(c echo.Context) error { return c.String(http.StatusOK, "page") })
		slow := &slowReader{httptest.NewRecorder(), make(chan struct{})}
		var leader sync.WaitGroup
		leader.Go(func() { e.ServeHTTP(slow, request(t, http.MethodGet, "/x")) })
		synctest.Wait() // it stands in its first write
		wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/x") }, "hit", "hit")
		close(slow.reads)
		leader.Wait()
	})
}

func twoCookies(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := one(t, cache, output.For(hour).Public(), func(c echo.Context) error {
		c.SetCookie(&http.Cookie{Name: "a", Value: "1"})
		c.SetCookie(&http.Cookie{Name: "b", Value: "2"})
		return c.String(http.StatusOK, "page")
	})
	for range 2 {
		w := get(t, e, "/x")
		if d := cmp.Diff([]string{"a=1", "b=2"}, w.Header()["Set-Cookie"]); d != "" || verdict(w) == "hit" {
			t.Errorf("%s: -want +got\n%s", verdict(w), d)
		}
	}
}

func replayed(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{302: "hit", 204: "hit", 206: "uri-miss:status", 201: "uri-miss:status"} {
		cache := newCache(t, echocache.Config{})
		e := one(t, cache, output.For(hour).StatusFor(hour, 302, 204), func(c echo.Context) error {
			c.Response().Header().Set("Location", "/there?a=1")
			c.Response().Header().Set("X-Two", "one")
			c.Response().Header().Add("X-Two", "two")
			if code == http.StatusPartialContent {
				c.Response().Header().Set("Content-Range", "bytes 0-3/9")
				return c.String(code, "part")
			}
			return c.NoContent(code)
		})
		first, second := get(t, e, "/x"), get(t, e, "/x")
		if got := verdict(second); !strings.HasPrefix(got, want) {
			// a key whose answer was not kept is remembered as such for a moment
			if !strings.HasPrefix(want, "uri-miss") || got != "uri-miss:uncacheable" {
				t.Errorf("%d: %q, want %q", code, got, want)
			}
		}
		for _, name := range []string{"Location", "X-Two", "Content-Range"} {
			if d := cmp.Diff(first.Header()[name], second.Header()[name]); d != "" {
				t.Errorf("%d: %s: -first +second\n%s", code, name, d)
			}
		}
		if first.Code != code || second.Code != code || first.Body.String() != second.Body.String() {
			t.Errorf("%d: %d %q then %d %q", code, first.Code, first.Body, second.Code, second.Body)
		}
		if code == http.StatusNoContent && second.Header().Get("Content-Length") != "" {
			t.Errorf("204 with a length: %v", second.Header())
		}
	}
}

// samePage asks for pairs and reports which of them share a page. The handler shows all it can see of the request.
func samePage(t *testing.T, p output.Policy, a, b *http.Request) bool {
	t.Helper()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	show := func(c echo.Context) error {
		r := c.Request()
		return c.String(http.StatusOK, fmt.Sprintf("%s %s %q %q %q", r.Method, r.Host, r.URL.EscapedPath(), c.QueryParams(), r.Header["X-Lines"]))
	}
	e.Match([]string{http.MethodGet, http.MethodPost}, "/*", show, cache.Output(p))
	first, second := httptest.NewRecorder(), httptest.NewRecorder()
	e.ServeHTTP(first, a)
	e.ServeHTTP(second, b)
	same := verdict(second) == "hit"
	if same && first.Body.String() != second.Body.String() {
		t.Errorf("%q was shown for %q", second.Body, b.URL)
	}
	return same
}

func spellings(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"/p?a=1&b=2", "/p?b=2&a=1", true},
		{"/p?a=1&a=2", "/p?a=2&a=1", false},
		{"/p?a=1", "/p?a=1&a=1", false},
		{"/p?a=1%262", "/p?a=1&2", false},
		{"/p?a", "/p?a=", false}, // as they are written; the handler cannot tell, a second entry is the price
		{"/p?a=1", "/p?A=1", false},
		{"/p", "/p?", true},
		{"/p/a%2Fb", "/p/a/b", false},
		{"/p/%61", "/p/a", false},
		{"/p/", "/p", false},
		{"/p", "/P", false},
		{"/p//q", "/p/q", false},
		{"/p?a=1;b=2", "/p?a=1&b=2", false},
	} {
		if got := samePage(t, output.For(hour), request(t, "GET", row.a), request(t, "GET", row.b)); got != row.same {
			t.Errorf("%s and %s share a page: %t", row.a, row.b, got)
		}
	}
}

func hostsAndMethods(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"GET http://a.example/", "GET http://a.example/", true},
		{"GET http://a.example/", "GET http://b.example/", false},
		{"GET http://a.example/", "GET http://a.example:8080/", false},
		{"GET http://a.example/", "POST http://a.example/", false},
		{"POST http://a.example/", "POST http://a.example/", false},
	} {
		methodA, targetA, _ := strings.Cut(row.a, " ")
		methodB, targetB, _ := strings.Cut(row.b, " ")
		if got := samePage(t, output.For(hour), request(t, methodA, targetA), request(t, methodB, targetB)); got != row.same {
			t.Errorf("%s and %s share a page: %t", row.a, row.b, got)
		}
	}
}

func headerLines(t *testing.T) {
	t.Parallel()
	lines := [][]string{nil, {"X-Lines: a, b"}, {"X-Lines: a", "X-Lines: b"}, {"X-Lines: a,b"}, {"X-Lines: b", "X-Lines: a"}, {"X-Lines: "}}
	for i, a := range lines {
		for j, b := range lines {
			p := output.For(hour).VaryHeader("X-Lines")
			if got := samePage(t, p, request(t, "GET", "/", a...), request(t, "GET", "/", b...)); got != (i == j) {
				t.Errorf("%q and %q share a page: %t", a, b, got)
			}
		}
	}
}

func varyGrows(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	vary := "Accept-Language"
	e := one(t, cache, output.For(hour).VaryHeader("Accept-Language").Tag("t"), func(c echo.Context) error {
		c.Response().Header().Set("Vary", vary)
		return c.String(http.StatusOK, c.Request().Header.Get("Accept-Language"))
	})
	ask := func() *httptest.ResponseRecorder { return get(t, e, "/x", "Accept-Language: de") }
	wantVerdicts(t, ask, "stored", "hit")
	vary = "Accept-Language, X-Device"
	wantVerdicts(t, ask, "hit") // what is kept is still what was said of it
	wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/x", "Accept-Language: en") }, "uri-miss:vary")
	if err := cache.Outputs().Evict(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	wantVerdicts(t, ask, "uri-miss:vary")
}

// damaging is a backend that hands out records changed by hurt.
type damaging struct {
	store.Backend

	hurt func([]byte) []byte
}

func (d *damaging) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := d.Backend.Lookup(ctx, keys...)
	for i, f := range found {
		if f.Record != nil && d.hurt != nil {
			r := *f.Record
			r.Value = d.hurt(append([]byte(nil), r.Value...))
			found[i].Record = &r
		}
	}
	return found, err
}

func damagedEntries(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func([]byte) []byte{
		"cut short": func(b []byte) []byte { return b[:len(b)-1] },
		"empty":     func([]byte) []byte { return nil },
		"too long":  func(b []byte) []byte { return append(b, 0) },
		"other version": func(b []byte) []byte {
			b[0] ^= 0xff
			return b
		},
		"of another key": func(b []byte) []byte { return []byte(strings.Replace(string(b), "example.com", "example.net", 1)) },
	} {
		backend := &damaging{Backend: newFakeBackend(t)}
		cache := newCacheOver(t, backend, echocache.Config{})
		ran := 0
		e := one(t, cache, output.For(hour), func(c echo.Context) error { ran++; return c.String(http.StatusOK, "page") })
		ask := func() *httptest.ResponseRecorder { return get(t, e, "/x") }
		wantVerdicts(t, ask, "stored", "hit")
		backend.hurt = hurt
		if w := ask(); w.Body.String() != "page" || verdict(w) == "hit" || ran != 2 {
			t.Errorf("%s: %q %s, the handler ran %d times", name, w.Body, verdict(w), ran)
		}
		backend.hurt = nil
		ask()
		wantVerdicts(t, ask, "hit")
		if cache.Outputs().Stats().Damaged != 1 {
			t.Errorf("%s: %d damaged", name, cache.Outputs().Stats().Damaged)
		}
	}
}

func storeTroubles(t *testing.T) {
	t.Parallel()
	down := errors.New("LOADING the dataset")
	for name, breaks := range map[string]func(*fakeBackend){
		"look-up fails":   func(b *fakeBackend) { b.onLookup = func() error { return down } },
		"store refuses":   func(b *fakeBackend) { b.onStore = func() (store.Verdict, error) { return store.Refused, down } },
		"store in doubt":  func(b *fakeBackend) { b.onStore = func() (store.Verdict, error) { return store.Unknown, down } },
		"look-up is slow": func(b *fakeBackend) { b.onLookup = func() error { time.Sleep(time.Second); return nil } },
		"both": func(b *fakeBackend) {
			b.onLookup = func() error { return down }
			b.onStore = func() (store.Verdict, error) { return store.Unknown, down }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				backend := newFakeBackend(t)
				breaks(backend)
				cache := newCacheOver(t, backend, echocache.Config{})
				gate := make(chan struct{})
				e := one(t, cache, output.For(hour), func(c echo.Context) error {
					<-gate
					return c.String(http.StatusOK, "page")
				})
				for i, w := range crowd(t, e, 4, gate) {
					if w.Code != http.StatusOK || w.Body.String() != "page" {
						t.Errorf("request %d: %d %q", i+1, w.Code, w.Body)
					}
				}
				if w := get(t, e, "/x"); w.Body.String() != "page" || (verdict(w) == "hit") != (name == "look-up is slow") {
					t.Errorf("afterwards: %q, %s", w.Body, verdict(w))
				}
			})
		})
	}
}

func evictionDuringFill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, echocache.Config{})
		gate, price := make(chan struct{}), "old"
		e := one(t, cache, output.For(hour).Tag("price"), func(c echo.Context) error {
			read := price
			<-gate
			return c.String(http.StatusOK, read)
		})
		e.PUT("/x", func(c echo.Context) error {
			price = "new"
			return c.NoContent(http.StatusNoContent)
		}, cache.Evict("price"))
		var leader sync.WaitGroup
		leader.Go(func() { get(t, e, "/x") })
		synctest.Wait()
		send(t, e, http.MethodPut, "/x")
		for i, w := range crowd(t, e, 3, gate) {
			if w.Body.String() != "new" {
				t.Errorf("request %d after the write reads %q", i+1, w.Body)
			}
		}
		leader.Wait()
		if w := get(t, e, "/x"); w.Body.String() != "new" || verdict(w) != "hit" {
			t.Errorf("%q %s", w.Body, verdict(w))
		}
	})
}

func delimiters(t *testing.T) {
	t.Parallel()
	tags := []string{"a", "b", "a,b", "a b", "a:b", "a|b", "a\u2028b", `a"b`, "a*", "A", "r", "p"}
	for _, evicted := range tags {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		e.GET("/:n", func(c echo.Context) error {
			var n int
			_, err := fmt.Sscan(c.Param("n"), &n)
			echocache.Tag(c, tags[n])
			return errors.Join(err, c.String(http.StatusOK, "page"))
		}, cache.Output(output.For(hour)))
		for n := range tags {
			get(t, e, fmt.Sprint("/", n))
		}
		if err := cache.Outputs().Evict(t.Context(), evicted); err != nil {
			t.Fatalf("%q: %v", evicted, err)
		}
		for n, tag := range tags {
			if kept := verdict(get(t, e, fmt.Sprint("/", n))) == "hit"; kept != (tag != evicted) {
				t.Errorf("%q evicted: the page with %q is kept: %t", evicted, tag, kept)
			}
		}
	}
}

func timesToLive(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		policy   output.Policy
		own      func(*output.Entry)
		wait     time.Duration
		at, past string
	}{
		{"half a second", output.For(500 * time.Millisecond).Jitter(0), nil, 499 * time.Millisecond, "hit", "stored"},
		{"an hour", output.For(hour).Jitter(0), nil, hour - time.Millisecond, "hit", "stored"},
		{"for ever", output.For(math.MaxInt64), nil, 365 * 24 * hour, "hit", "hit"},
		{"the handler says zero", output.For(hour), func(e *output.Entry) { e.TTL(0) }, 0, "uri-miss:uncacheable", "uri-miss:uncacheable"},
		{"the handler says less", output.For(hour), func(e *output.Entry) { e.TTL(-1) }, 0, "uri-miss:uncacheable", "uri-miss:uncacheable"},
		{"the handler says a second", output.For(hour).Jitter(0), func(e *output.Entry) { e.TTL(time.Second) }, 999 * time.Millisecond, "hit", "stored"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cache := newCache(t, echocache.Config{})
				e := one(t, cache, row.policy, func(c echo.Context) error {
					if row.own != nil {
						row.own(output.Current(c.Request().Context()))
					}
					return c.String(http.StatusOK, "page")
				})
				get(t, e, "/x")
				time.Sleep(row.wait)
				if got := verdict(get(t, e, "/x")); got != row.at {
					t.Errorf("after %s: %q, want %q", row.wait, got, row.at)
				}
				time.Sleep(time.Millisecond)
				if got := verdict(get(t, e, "/x")); got != row.past {
					t.Errorf("after %s and one millisecond: %q, want %q", row.wait, got, row.past)
				}
			})
		})
	}
}

func overTheLimit(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{100: "hit", 10_000: "uri-miss:uncacheable"} {
		cache := newCache(t, echocache.Config{})
		e := one(t, cache, output.For(hour).MaxBytes(5_000), func(c echo.Context) error {
			c.Response().Header().Set("X-Before", "yes")
			for range size / 100 {
				if _, err := c.Response().Write([]byte(strings.Repeat("x", 100))); err != nil {
					return err
				}
			}
			return nil
		})
		for round := range 2 {
			w := get(t, e, "/x")
			if w.Body.Len() != size || w.Header().Get("X-Before") != "yes" || round == 1 && verdict(w) != want {
				t.Errorf("%d bytes: %d arrived, %s, want %s", size, w.Body.Len(), verdict(w), want)
			}
		}
	}
}

func headersChanged(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Before(func() {
				h := c.Response().Header()
				h.Add("X-List", "by "+c.Request().Header.Get("X-Client"))
				h.Add("Cache-Control", "no-transform")
				h.Set("Content-Type", "text/"+c.Request().Header.Get("X-Client"))
				h.Del("X-Gone")
			})
			return next(c)
		}
	})
	e.GET("/x", func(c echo.Context) error {
		c.Response().Header().Set("X-Gone", "yes")
		c.Response().Header().Set("X-List", "by the handler")
		c.Response().Header().Set("Cache-Control", "max-age=1")
		return c.String(http.StatusOK, "page")
	}, cache.Output(output.For(hour)))
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			name := fmt.Sprint("client-", n)
			for range 3 {
				h := get(t, e, "/x", "X-Client: "+name).Header()
				got := [][]string{h["X-List"], h["Cache-Control"], h["Content-Type"], h["X-Gone"]}
				want := [][]string{{"by the handler", "by " + name}, {"max-age=1", "no-transform"}, {"text/" + name}, nil}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
			}
		})
	}
	clients.Wait()
}
