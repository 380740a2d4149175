package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// one is an application with one cached route, /x, and whatever is below it.
func one(t *testing.T, cache *echocache.Cache, p output.Policy, h echo.HandlerFunc) *echo.Echo {
	t.Helper()
	e := newEcho()
	e.GET("/x", h, cache.Output(p))
	e.GET("/x/*", h, cache.Output(p))
	return e
}

// TestNothingWritten is case 2: the handler writes nothing.
func TestNothingWritten(t *testing.T) {
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

// TestPanicWithWaiters is case 3: the handler panics, with others waiting.
func TestPanicWithWaiters(t *testing.T) {
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
		e.Use(quietRecover())
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

// TestLeaderLeaves is case 4: the client whose request fills the page leaves.
func TestLeaderLeaves(t *testing.T) {
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

// TestLeaderIsSlow is case 5: the client whose request fills the page reads slowly.
func TestLeaderIsSlow(t *testing.T) {
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

// TestTwoCookies is case 8: two Set-Cookie lines.
func TestTwoCookies(t *testing.T) {
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

// TestReplayed is case 9: redirects, empty answers, parts and HEAD are replayed as they were.
func TestReplayed(t *testing.T) {
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

// TestSpellings is case 10: spellings of the query and of the path.
func TestSpellings(t *testing.T) {
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

// TestHostsAndMethods is case 11: two hosts, two methods.
func TestHostsAndMethods(t *testing.T) {
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

// TestHeaderLines is case 12: two header lines are not one line with a comma.
func TestHeaderLines(t *testing.T) {
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

// TestVaryGrows is case 13: an answer varies on more than the one before.
func TestVaryGrows(t *testing.T) {
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
