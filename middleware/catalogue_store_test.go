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

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

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

// TestDamagedEntries is case 15: an entry is damaged, cut short, or somebody else's.
func TestDamagedEntries(t *testing.T) {
	t.Parallel()
	var others []byte // what is stored under another key
	for name, hurt := range map[string]func([]byte) []byte{
		"cut short": func(b []byte) []byte { return b[:len(b)-1] },
		"empty":     func([]byte) []byte { return nil },
		"too long":  func(b []byte) []byte { return append(b, 0) },
		"other version": func(b []byte) []byte {
			b[0] ^= 0xff
			return b
		},
		"of another key": func([]byte) []byte { return others },
	} {
		backend := &damaging{Backend: newFakeBackend(t)}
		cache := newCacheOver(t, backend, echocache.Config{})
		ran := 0
		e := one(t, cache, output.For(hour), func(c echo.Context) error { ran++; return c.String(http.StatusOK, "page") })
		ask := func() *httptest.ResponseRecorder { return get(t, e, "/x") }
		backend.hurt = func(b []byte) []byte { others = b; return b }
		other := func() *httptest.ResponseRecorder { return get(t, e, "http://another.example/x") }
		wantVerdicts(t, other, "stored", "hit")
		backend.hurt = nil
		wantVerdicts(t, ask, "stored", "hit")
		backend.hurt = hurt
		if w := ask(); w.Body.String() != "page" || verdict(w) == "hit" || ran != 3 {
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

// TestStoreTroubles is case 16: the store is slow, refuses, or cannot be reached.
func TestStoreTroubles(t *testing.T) {
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

// TestEvictionDuringFill is case 17: an eviction while a page is being filled.
func TestEvictionDuringFill(t *testing.T) {
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

// TestDelimiters is case 20: tags with characters that separate tags elsewhere.
func TestDelimiters(t *testing.T) {
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

// TestTimesToLive is case 21: times to live of nothing, less than nothing, less than a second, and for ever.
func TestTimesToLive(t *testing.T) {
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
		{"for ever", output.For(math.MaxInt64), nil, 3 * hour, "hit", "hit"},
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

// TestOverTheLimit is case 22: a body over the limit; streams.
func TestOverTheLimit(t *testing.T) {
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

// TestHeadersChanged is case 24: outer middleware changes the headers of a replayed answer.
func TestHeadersChanged(t *testing.T) {
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
