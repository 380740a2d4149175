package middleware_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// panicked runs f and returns what it panicked with.
func panicked(f func()) (what error) {
	defer func() { what, _ = recover().(error) }()
	f()
	return nil
}

// TestConfigMistakes: every one is an error when the cache is made or mounted, and names the field, the value and what
// to do.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	value := func(echo.Context) string { return "v" }
	makes := func(c echocache.Config) func() error {
		return func() error {
			cache, err := echocache.New(c)
			if cache != nil {
				return errors.Join(errors.New("a cache was made"), cache.Close())
			}
			return err
		}
	}
	mounts := func(p output.Policy) func() error {
		return func() error {
			cache := newCache(t, echocache.Config{Values: map[string]func(echo.Context) string{"tenant": value}})
			m, err := echocache.OutputConfig{Cache: cache, Policy: p}.ToMiddleware()
			if m != nil {
				return errors.New("a middleware was made")
			}
			if said := panicked(func() { cache.Output(p) }); said == nil || err == nil || said.Error() != err.Error() {
				return errors.New("Output does not panic with the same reason")
			}
			return err
		}
	}
	evicts := func(tags ...string) func() error {
		return func() error {
			cache := newCache(t, echocache.Config{})
			m, err := echocache.EvictConfig{Cache: cache, Tags: tags}.ToMiddleware()
			if m != nil {
				return errors.New("a middleware was made")
			}
			if said := panicked(func() { cache.Evict(tags...) }); said == nil || err == nil || said.Error() != err.Error() {
				return errors.New("Evict does not panic with the same reason")
			}
			return err
		}
	}
	for _, row := range []struct {
		name string
		try  func() error
		want []string // field, value, fix
	}{
		{"nil value", makes(echocache.Config{Values: map[string]func(echo.Context) string{"tenant": nil}}), []string{`Values["tenant"]`, "nil", "set the function"}},
		{"nameless value", makes(echocache.Config{Values: map[string]func(echo.Context) string{"": value}}), []string{`Values[""]`, "give the value a name"}},
		{"nameless key", makes(echocache.Config{PerClient: []string{"csrf", ""}}), []string{"PerClient", `""`, "leave it out"}},
		{"nameless cookie", makes(echocache.Config{IgnoreCookies: []string{""}}), []string{"IgnoreCookies", `""`, "leave it out"}},

		{"per user, unknown", mounts(output.For(hour).PerUser()), []string{"PerUser", "Config.User"}},
		{"unknown value", mounts(output.For(hour).VaryValue("role")), []string{`VaryValue("role")`, "Config.Values"}},
		{"no time to live", mounts(output.For(0)), []string{"For(0s)", "positive", "Off()"}},
		{"negative", mounts(output.For(-time.Second)), []string{"For(-1s)", "positive"}},
		{"reserved tag", mounts(output.For(hour).Tag("r:x")), []string{`Tag("r:x")`, "reserved", "another name"}},
		{"open brace", mounts(output.For(hour).Tag("a{b")), []string{`Tag("a{b")`, "never closed"}},
		{"whole cookie", mounts(output.For(hour).VaryHeader("cookie")), []string{`VaryHeader("Cookie")`, "VaryCookie"}},
		{"host", mounts(output.For(hour).VaryHeader("Host")), []string{`VaryHeader("Host")`, "leave it out"}},
		{"both", mounts(output.For(hour).PerUser().Public()), []string{"PerUser and Public"}},
		{"two queries", mounts(output.For(hour).VaryQuery("a").IgnoreQuery("b")), []string{"VaryQuery and IgnoreQuery", "use one"}},
		{"no status", mounts(output.For(hour).StatusFor(hour)), []string{"StatusFor(1h0m0s)", "no status code"}},
		{"206", mounts(output.For(hour).StatusFor(hour, 206)), []string{"StatusFor(1h0m0s, 206)"}},
		{"too small", mounts(output.For(hour).MaxBytes(0)), []string{"MaxBytes(0)", "positive"}},
		{"all jitter", mounts(output.For(hour).Jitter(1)), []string{"Jitter(1)", "less than 1"}},
		{"nil function", mounts(output.For(hour).VaryBy("x", nil)), []string{`VaryBy("x")`, "nil"}},

		{"evict: reserved", evicts("*all"), []string{`"*all"`, "reserved"}},
		{"evict: empty", evicts("a", ""), []string{`""`, "empty"}},
		{"evict: brace", evicts("a}"), []string{`"a}"`, "closing brace"}},

		{"no cache to mount", func() error { _, err := echocache.OutputConfig{}.ToMiddleware(); return err }, []string{"OutputConfig.Cache", "nil", "set the cache"}},
		{"no cache to evict", func() error { _, err := echocache.EvictConfig{}.ToMiddleware(); return err }, []string{"EvictConfig.Cache", "nil", "set the cache"}},
		{"evict nothing", func() error { return panicked(func() { newCache(t, echocache.Config{}).Evict() }) }, []string{"Evict without a tag", "Attach"}},
		{"backend", func() error {
			b := memstore.New(memstore.Config{MaxBytes: 64})
			defer b.Close()
			_, err := output.New(output.Config{Store: store.New(b, store.Config{})})
			return err
		}, []string{"Config.Store", "MaxBytes", "64", "set at least"}},
	} {
		err := row.try()
		if err == nil {
			t.Errorf("%s: no error", row.name)
			continue
		}
		for _, part := range row.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", row.name, err, part)
			}
		}
	}
}

func TestMust(t *testing.T) {
	t.Parallel()
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	if err := panicked(func() { echocache.Must(echocache.New(echocache.Config{PerClient: []string{""}})) }); err == nil {
		t.Error("no panic")
	}
	if err := panicked(func() { echocache.Must(cache, nil) }); err != nil {
		t.Errorf("panicked: %v", err)
	}
}

// TestSkippers: what is skipped is neither looked up nor marked; the mount's own replaces the cache's.
func TestSkippers(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{Skipper: func(c echo.Context) bool { return c.QueryParam("skip") != "" }})
	own, err := echocache.OutputConfig{Cache: cache, Policy: output.For(hour), Skipper: func(echo.Context) bool { return false }}.ToMiddleware()
	if err != nil {
		t.Fatal(err)
	}
	e := newEcho()
	page := func(c echo.Context) error { return c.String(200, "page") }
	e.GET("/default", page, cache.Output(output.For(hour)))
	e.GET("/own", page, own)
	ask := func(target string) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return get(t, e, target) }
	}
	wantVerdicts(t, ask("/default"), "stored", "hit")
	wantVerdicts(t, ask("/default?skip=1"), "", "")
	wantVerdicts(t, ask("/own?skip=1"), "stored", "hit")
}

// TestClose names I-10: a bubble fails if a goroutine is left over. A second Close does nothing, a fill that is under
// way is told to end, and requests that still come pass by.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := echocache.Must(echocache.New(echocache.Config{}))
		e := newEcho()
		e.GET("/", func(c echo.Context) error { return c.String(200, "page") }, cache.Output(output.For(hour)))
		e.GET("/slow", func(c echo.Context) error {
			<-c.Request().Context().Done()
			return c.String(200, "told to end")
		}, cache.Output(output.For(hour)))
		e.POST("/", func(c echo.Context) error { return c.String(200, "written") }, cache.Evict("t"))
		wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/") }, "stored", "hit")
		var slow sync.WaitGroup
		slow.Go(func() {
			if w := get(t, e, "/slow"); w.Body.String() != "told to end" || verdict(w) == "stored" {
				t.Errorf("%q %s", w.Body, verdict(w))
			}
		})
		synctest.Wait()
		for range 2 {
			if err := cache.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		slow.Wait()
		wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/") }, "bypass:off", "bypass:off")
		if w := send(t, e, "POST", "/"); w.Code != 200 || w.Body.String() != "written" {
			t.Errorf("a write after Close: %d %q", w.Code, w.Body)
		}
		cache.Outputs().SetEnabled(true) // there is nothing to switch on again
		wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/") }, "bypass:off")
	})
}

// TestCloseSaysWhatIsLeft: the store's error is not swallowed.
func TestCloseSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	backend := &closeFails{newFakeBackend(t)}
	outputs, err := output.New(output.Config{Store: store.New(backend, store.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	cache := echocache.Must(echocache.New(echocache.Config{Cache: outputs}))
	if cache.Outputs() != outputs {
		t.Error("Outputs is another cache")
	}
	if err := cache.Close(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Close: %v", err)
	}
}

type closeFails struct{ *fakeBackend }

func (c *closeFails) Close() error { return errors.Join(c.fakeBackend.Close(), io.ErrUnexpectedEOF) }
