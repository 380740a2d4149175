package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

// orders are the ways in which Response and Output stand on one route. Echo's first is outermost.
var orders = map[string]func(r, o echo.MiddlewareFunc) []echo.MiddlewareFunc{
	"outside": func(r, o echo.MiddlewareFunc) []echo.MiddlewareFunc { return []echo.MiddlewareFunc{r, o} },
	"inside":  func(r, o echo.MiddlewareFunc) []echo.MiddlewareFunc { return []echo.MiddlewareFunc{o, r} },
	"outside, something between": func(r, o echo.MiddlewareFunc) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{r, middleware.Gzip(), o}
	},
	"inside, something between": func(r, o echo.MiddlewareFunc) []echo.MiddlewareFunc {
		return []echo.MiddlewareFunc{o, middleware.Gzip(), r}
	},
}

// packed is the policy for what Gzip inside says that it depends on.
func packed(p output.Policy) output.Policy { return p.VaryHeader("Accept-Encoding") }

// lifetimes are max-age and s-maxage as a parser that is not ours reads them, -1 = none.
func lifetimes(t *testing.T, w *httptest.ResponseRecorder) (age, shared int64) {
	t.Helper()
	parsed, err := httpsfv.UnmarshalDictionary(w.Header()["Cache-Control"])
	if err != nil {
		t.Fatalf("%s: %v", w.Header()["Cache-Control"], err)
	}
	read := func(name string) int64 {
		member, ok := parsed.Get(name)
		if !ok {
			return -1
		}
		return member.(httpsfv.Item).Value.(int64)
	}
	return read("max-age"), read("s-maxage")
}

// timeLeft is the ttl of the last member of Cache-Status, -1 = none.
func timeLeft(w *httptest.ResponseRecorder) int64 {
	status := w.Header().Get("Cache-Status")
	_, after, ok := strings.Cut(status, "ttl=")
	if !ok {
		return -1
	}
	digits, _, _ := strings.Cut(after, ";")
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

// No answer promises more than its page has left, on the miss and on every hit, whether it comes from this process's
// memory or from a backend's.
func TestResponseNeverOutlivesThePage(t *testing.T) {
	for order, mount := range orders {
		for _, row := range []struct {
			ttl    time.Duration
			policy response.Policy
			asked  time.Duration // max-age of the policy
			shared time.Duration // s-maxage, -1s = none
		}{
			{time.Minute, response.Public(day).Shared(2 * day).Immutable(), day, 2 * day},
			{time.Minute, response.Public(30 * time.Second).ETag(), 30 * time.Second, -time.Second},
			{time.Minute, response.Public(10 * time.Second).Shared(40 * time.Second).StaleIfError(day), 10 * time.Second, 40 * time.Second},
			{3 * time.Second, response.Public(time.Hour), time.Hour, -time.Second},
		} {
			for place, shared := range map[string]bool{"memory": false, "backend": true} {
				t.Run(fmt.Sprintf("%s, %s, %s for %s", order, place, row.policy, row.ttl), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						cache := newCache(t, echocache.Config{})
						if shared {
							cache = newCacheOver(t, newFakeBackend(t), echocache.Config{})
						}
						e, ran := newEcho(), 0
						e.GET("/", func(c echo.Context) error {
							ran++
							c.Response().Header().Set("Cache-Control", "max-age=999999")
							c.Response().Header().Set("Expires", "Thu, 01 Dec 2094 16:00:00 GMT")
							return c.String(http.StatusOK, "a page")
						}, mount(echocache.Response(row.policy), cache.Output(packed(output.For(row.ttl).Jitter(0))))...)
						for step := range 20 {
							elapsed := row.ttl * time.Duration(step) / 20
							w := get(t, e, "/")
							left := timeLeft(w)
							age, shared := lifetimes(t, w)
							wantAge := min(int64(row.asked/time.Second), left)
							wantShared := min(int64(row.shared/time.Second), left)
							if left != int64((row.ttl-elapsed)/time.Second) || age != wantAge || shared != wantShared {
								t.Errorf("after %s: %s with %d s left (%s)", elapsed, w.Header()["Cache-Control"], left, w.Header()["Cache-Status"])
							}
							if step > 0 && w.Header().Get("Age") != strconv.FormatInt(int64(elapsed/time.Second), 10) {
								t.Errorf("after %s: Age %q", elapsed, w.Header().Get("Age"))
							}
							if w.Header().Get("Expires") != "" {
								t.Errorf("after %s: Expires", elapsed)
							}
							n := get(t, e, "/", "If-None-Match: "+w.Header().Get("Etag"))
							if n.Code != http.StatusNotModified || n.Header().Get("Cache-Control") != w.Header().Get("Cache-Control") {
								t.Errorf("after %s: %d %s", elapsed, n.Code, n.Header())
							}
							time.Sleep(row.ttl / 20)
						}
						if get(t, e, "/"); ran != 2 {
							t.Errorf("the handler ran %d times", ran)
						}
					})
				})
			}
		}
	}
}

// A page of one user's own is private, in both orders, on the miss, on the hit, and where it is not kept at all.
func TestResponsePerUserIsPrivate(t *testing.T) {
	t.Parallel()
	for order, mount := range orders {
		for name, p := range map[string]response.Policy{
			"public":   response.Public(time.Minute).Shared(time.Hour),
			"tagged":   response.Public(time.Minute).Shared(time.Hour).ETag(),
			"private":  response.Private(time.Minute),
			"no cache": response.NoCache(),
		} {
			cache := newCache(t, echocache.Config{User: userFromHeader})
			e := newEcho()
			e.GET("/", func(c echo.Context) error {
				if c.QueryParam("cookie") != "" {
					c.SetCookie(&http.Cookie{Name: "a", Value: "b"})
				}
				if c.QueryParam("stream") != "" {
					c.Response().Flush()
				}
				return c.String(http.StatusOK, "a page")
			}, mount(echocache.Response(p), cache.Output(packed(output.For(hour).PerUser())))...)
			e.GET("/off", answers(200, "a"), mount(echocache.Response(p), cache.Output(output.Off()))...)
			want := "private, max-age=60"
			if name == "no cache" {
				want = "private, no-cache"
			}
			for i, ask := range []struct {
				target, user, verdict string
			}{
				{"/", "ann", "stored"},
				{"/", "ann", "hit"},
				{"/", "bob", "stored"},
				{"/?cookie=1", "ann", "uri-miss:set-cookie"},
				{"/?stream=1", "ann", "uri-miss:streamed"},
				{"/", "", "bypass:no-user"},
				{"/?range=1", "ann", "bypass:range"},
				{"/?off=1", "ann", "bypass:off"},
			} {
				headers := []string{"X-User: " + ask.user}
				if strings.HasSuffix(ask.verdict, "range") {
					headers = append(headers, "Range: bytes=0-1")
				}
				cache.Outputs().SetEnabled(!strings.HasSuffix(ask.verdict, "off"))
				w := get(t, e, ask.target, headers...)
				if verdict(w) != ask.verdict {
					t.Errorf("%s, %s, %d: %s, want %s", order, name, i, verdict(w), ask.verdict)
				}
				if got := w.Header().Get("Cache-Control"); got != want {
					t.Errorf("%s, %s, %d: %q, want %q", order, name, i, got, want)
				}
			}
			cache.Outputs().SetEnabled(true)
			if got := get(t, e, "/off").Header().Get("Cache-Control"); got != p.CacheControl() {
				t.Errorf("%s, %s: a policy that is off: %q", order, name, got)
			}
		}
	}
}

// What is no page of the cache has nothing left to exceed, and an error is left alone.
func TestResponseOfWhatIsNotKept(t *testing.T) {
	t.Parallel()
	for order, mount := range orders {
		for target, row := range map[string]struct{ verdict, control string }{
			"/?a=cookie":  {"uri-miss:set-cookie", "public, max-age=86400"},
			"/?a=stream":  {"uri-miss:streamed", "public, max-age=86400"},
			"/?a=long":    {"uri-miss:too-large", "public, max-age=86400"},
			"/?a=created": {"uri-miss:status", "public, max-age=86400"},
			"/?a=missing": {"stored", "no-cache"},
			"/?a=broken":  {"uri-miss:status", ""},
			"/?a=error":   {"uri-miss:error", ""},
		} {
			cache := newCache(t, echocache.Config{})
			e := newEcho()
			e.GET("/", func(c echo.Context) error {
				switch c.QueryParam("a") {
				case "cookie":
					c.SetCookie(&http.Cookie{Name: "a", Value: "b"})
				case "stream":
					c.Response().Flush()
				case "long":
					return c.String(http.StatusOK, strings.Repeat("long", 1000))
				case "created":
					return c.String(http.StatusCreated, "a")
				case "missing":
					return c.String(http.StatusNotFound, "a")
				case "broken":
					return c.String(http.StatusInternalServerError, "a")
				case "error":
					return echo.ErrTeapot
				}
				return c.String(http.StatusOK, "a")
			}, mount(echocache.Response(response.Public(day)), cache.Output(packed(output.For(time.Minute).MaxBytes(2000).StatusFor(time.Minute, 404))))...)
			w := get(t, e, target)
			if got := w.Header().Get("Cache-Control"); got != row.control || verdict(w) != row.verdict {
				t.Errorf("%s, %s: %q, %s", order, target, got, verdict(w))
			}
		}
	}
}

// Inside of Output the policy speaks for the handler, but what the handler itself said still counts. Outside it speaks
// to downstream only.
func TestResponseInsideSpeaksForTheHandler(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policy          response.Policy
		output          output.Policy
		said            []string
		inside, outside string // what becomes of the page
	}{
		"public":                    {response.Public(day), output.For(hour), nil, "stored", "stored"},
		"no cache":                  {response.NoCache(), output.For(hour), nil, "stored", "stored"},
		"no store":                  {response.NoStore(), output.For(hour), nil, "uri-miss:no-store", "stored"},
		"private":                   {response.Private(day), output.For(hour), nil, "uri-miss:private", "stored"},
		"private, each user's own":  {response.Private(day), output.For(hour).PerUser(), nil, "stored", "stored"},
		"no store, each user's own": {response.NoStore(), output.For(hour).PerUser(), nil, "uri-miss:no-store", "stored"},
		"the handler says private":  {response.Public(day), output.For(hour), []string{"Cache-Control: private"}, "uri-miss:private", "uri-miss:private"},
		"the handler says no-store": {response.Public(day).ETag(), output.For(hour), []string{"Cache-Control: a, no-store"}, "uri-miss:no-store", "uri-miss:no-store"},
		"the handler says private, each user's own": {response.Public(day), output.For(hour).PerUser(), []string{"Cache-Control: private"}, "uri-miss:private", "uri-miss:private"},
		"the handler says max-age":                  {response.Public(day), output.For(hour), []string{"Cache-Control: max-age=1"}, "stored", "stored"},
		"on what the page depends":                  {response.Public(day).Vary("X-A"), output.For(hour).VaryHeader("X-A"), nil, "stored", "stored"},
		"on what it does not depend":                {response.Public(day).Vary("X-A"), output.For(hour), nil, "uri-miss:vary", "stored"},
	} {
		for order, mount := range orders {
			user := func(echo.Context) string { return "ann" }
			if !strings.Contains(name, "own") {
				user = nil
			}
			cache := newCache(t, echocache.Config{User: user})
			e := newEcho()
			e.GET("/", answers(200, "a", row.said...), mount(echocache.Response(row.policy), cache.Output(packed(row.output)))...)
			want := row.inside
			if strings.HasPrefix(order, "outside") {
				want = row.outside
			}
			if got := verdict(get(t, e, "/")); got != want {
				t.Errorf("%s, %s: %s, want %s", name, order, got, want)
			}
			if lines := get(t, e, "/").Header()["Vary"]; strings.Count(strings.Join(lines, ","), "X-A") > 1 {
				t.Errorf("%s, %s: Vary %q", name, order, lines)
			}
		}
	}
}

// What is told of a page is not told of the next answer, which is none.
func TestResponseForgetsThePage(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.GET("/", answers(200, "a"), echocache.Response(response.Public(day)), cache.Output(output.For(hour)))
	for range 10 {
		get(t, e, "/")
		if got := get(t, e, "/", "If-Match: *").Header().Get("Cache-Control"); got != "public, max-age=86400" {
			t.Error(got)
		}
	}
}

// One policy on a group tells each of its routes what is right for it.
func TestResponseOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, echocache.Config{User: userFromHeader})
		e := newEcho()
		g := e.Group("", echocache.Response(response.Public(day)))
		g.GET("/all", answers(200, "a"), cache.Output(output.For(time.Minute).Public().Jitter(0)))
		g.GET("/own", answers(200, "a"), cache.Output(output.For(time.Minute).PerUser().Jitter(0)))
		g.GET("/none", answers(200, "a"))
		for range 3 {
			for target, want := range map[string]string{
				"/all": "public, max-age=60", "/own": "private, max-age=60", "/none": "public, max-age=86400",
			} {
				if got := get(t, e, target, "X-User: ann").Header().Get("Cache-Control"); got != want {
					t.Errorf("%s: %q, want %q", target, got, want)
				}
			}
		}
	})
}

// A fill that the door declines, because the handler would see another scheme, is still a page of one user's own.
func TestResponsePerUserDeclined(t *testing.T) {
	t.Parallel()
	for order, mount := range orders {
		e := newEcho()
		e.SchemeExtractor = func(r *http.Request) string { return "http" + r.Header.Get("X-Scheme") }
		cache := newCache(t, echocache.Config{User: userFromHeader})
		e.GET("/", answers(200, "a"), mount(echocache.Response(response.Public(time.Minute)), cache.Output(packed(output.For(hour).PerUser())))...)
		w := get(t, e, "/", "X-User: ann", "X-Scheme: s")
		if got := w.Header().Get("Cache-Control"); got != "private, max-age=60" || verdict(w) != "uri-miss:scheme" {
			t.Errorf("%s: %q, %s", order, got, verdict(w))
		}
	}
}

// A page that an eviction has beaten is given to who asked for it, and nobody keeps it.
func TestResponseOfAFencedPage(t *testing.T) {
	t.Parallel()
	for order, mount := range orders {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		e.GET("/", func(c echo.Context) error {
			if err := cache.Outputs().Evict(c.Request().Context(), "a"); err != nil {
				return err
			}
			return c.String(http.StatusOK, "old")
		}, mount(echocache.Response(response.Public(day).Shared(day)), cache.Output(packed(output.For(hour).Tag("a"))))...)
		w := get(t, e, "/")
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=0, s-maxage=0" || !strings.HasSuffix(verdict(w), "fenced") {
			t.Errorf("%s: %q, %s", order, got, verdict(w))
		}
	}
}

// A page is told apart from one whose handler says the same by itself: that one is left as it is.
func TestResponseOnlyShortensItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		e.GET("/", answers(200, "a", "Cache-Control: public, max-age=86400"), cache.Output(output.For(time.Minute).Jitter(0)))
		for range 3 {
			if got := get(t, e, "/").Header()["Cache-Control"]; cmp.Diff([]string{"public, max-age=86400"}, got) != "" {
				t.Error(got)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

// Inside Output, Response costs a hit no allocation; a hit behind it has its writer, and none for what it tells.
func TestResponseAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	measure := func(m ...echo.MiddlewareFunc) float64 {
		e := newEcho()
		e.GET("/", answers(200, "a page"), m...)
		r, w := request(t, http.MethodGet, "/"), newBenchWriter()
		serve := func() { w.reset(); e.ServeHTTP(w, r) }
		serve()
		return testing.AllocsPerRun(200, serve)
	}
	cache := newCache(t, echocache.Config{})
	bare := measure(cache.Output(output.For(hour)))
	inside := measure(cache.Output(output.For(hour)), echocache.Response(response.Public(day)))
	if bare != 0 || inside != 0 {
		t.Errorf("inside: %v allocations a hit, %v without Response", inside, bare)
	}
	if outside := measure(echocache.Response(response.Public(day)), cache.Output(output.For(hour))); outside > bare+3 {
		t.Errorf("outside: %v allocations a hit, %v without Response", outside, bare)
	}
}
