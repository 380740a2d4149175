package security_test

import (
	"bytes"
	"net/http"
	"slices"
	"testing"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// TestI6_TwoCachesOnOneStore names I-6: two applications with the same routes and policies on one store have pages of their
// own, told apart by name, by release, or by namespace. Their tags are common where their namespace is, or a write in one
// would leave the other's page.
func TestI6_TwoCachesOnOneStore(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, kind, nil, true, 64<<20)
			entries := store.New(s.open(nil).backend, store.Config{Namespace: s.namespace})
			t.Cleanup(func() { _ = entries.Close() })
			apps := map[string]*echo.Echo{}
			var caches []*echocache.Cache
			for name, config := range map[string]output.Config{
				"shop": {Name: "shop"}, "shop2": {Name: "shop2"}, "shop at 2": {Name: "shop", Version: "2"},
				"shop at 22": {Name: "shop", Version: "22"}, "": {},
			} {
				config.Store = entries
				outputs, err := output.New(config)
				if err != nil {
					t.Fatal(err)
				}
				cache, err := echocache.New(echocache.Config{Cache: outputs})
				if err != nil {
					t.Fatal(err)
				}
				caches = append(caches, cache)
				e := echo.New()
				e.GET("/p", func(c echo.Context) error { return c.String(http.StatusOK, "of "+name) },
					cache.Output(output.For(ages).Tag("t")))
				apps[name] = e
			}
			ask := func(want int) {
				t.Helper()
				hits := 0
				for name, e := range apps {
					w := sent(t, e, http.MethodGet, "/p")
					if w.Body.String() != "of "+name {
						t.Errorf("%q got the page %q", name, w.Body)
					}
					if hit := kept(w); hit {
						hits++
					}
				}
				if hits != want {
					t.Errorf("%d hits, want %d", hits, want)
				}
			}
			ask(0)
			ask(len(apps))
			if err := caches[0].Outputs().Evict(t.Context(), "t"); err != nil {
				t.Fatal(err)
			}
			ask(0)
		})
	}
}

// TestI6_ValuesAreNotPages names I-6: a value is not a page, whatever its key looks like; nor does a page become a value. The
// key of a page is known to whoever knows the source and the request. As it is it is none for a value, for it holds control
// characters; and where one does not, what the store makes of it begins otherwise.
func TestI6_ValuesAreNotPages(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, kind, nil, true, 64<<20)
			e, cache := site(t, s, echocache.Config{})
			e.GET("/p", func(c echo.Context) error { return c.String(http.StatusOK, "page") }, cache.Output(output.For(ages)))
			sent(t, e, http.MethodGet, "/p")
			keys := s.held.keys()
			if len(keys) != 1 {
				t.Fatalf("%d keys", len(keys))
			}
			page, entries := keys[0], cache.Outputs().Store()
			evil := append(slices.Clone(s.held.values[page]), "evil"...)
			for key, allowed := range map[string]bool{
				page: false, page[1:]: false, "\x04page" + page: false,
				store.Key(page): true, store.Key("page", page): true, "page": true, "page:" + s.namespace: true,
			} {
				if value, found, err := store.Get[[]byte](t.Context(), entries, key); found || (err == nil) != allowed {
					t.Errorf("under %q there is the value %q, %v", key, value, err)
				}
				if err := store.Set(t.Context(), entries, key, store.For(ages), evil); (err == nil) != allowed {
					t.Errorf("set %q: %v", key, err)
				}
				if value, found, _ := store.Get[[]byte](t.Context(), entries, key); found != allowed || found && !bytes.Equal(value, evil) {
					t.Errorf("under %q there is the value %q", key, value)
				}
				w := sent(t, e, http.MethodGet, "/p")
				if hit := kept(w); !hit || w.Body.String() != "page" {
					t.Errorf("a value under %q: the page is %q, %v", key, w.Body, w.Header())
				}
				if err := entries.Delete(t.Context(), key); (err == nil) != allowed {
					t.Errorf("delete %q: %v", key, err)
				}
				if hit := kept(sent(t, e, http.MethodGet, "/p")); !hit {
					t.Errorf("deleting the value under %q took the page with it", key)
				}
			}
		})
	}
}
