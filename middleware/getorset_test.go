package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// counted is a handler that shows how often its value was loaded.
func counted(loads *int, tags ...string) echo.HandlerFunc {
	return func(c echo.Context) error {
		n, err := echocache.GetOrSet(c, "k", store.For(hour, tags...), func(context.Context) (int, error) {
			*loads++
			return *loads, nil
		})
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, n)
	}
}

// A handler finds the cache that is mounted around it, however that is.
func TestGetOrSetFindsTheCache(t *testing.T) {
	t.Parallel()
	for name, mount := range map[string]func(c *echocache.Cache, e *echo.Echo, h echo.HandlerFunc){
		"Attach":          func(c *echocache.Cache, e *echo.Echo, h echo.HandlerFunc) { e.Use(c.Attach()); e.GET("/", h) },
		"Evict":           func(c *echocache.Cache, e *echo.Echo, h echo.HandlerFunc) { e.GET("/", h, c.Evict("other")) },
		"Output":          func(c *echocache.Cache, e *echo.Echo, h echo.HandlerFunc) { e.GET("/", h, c.Output(output.For(1))) },
		"Output off":      func(c *echocache.Cache, e *echo.Echo, h echo.HandlerFunc) { e.GET("/", h, c.Output(output.Off())) },
		"Output, by HEAD": func(c *echocache.Cache, e *echo.Echo, h echo.HandlerFunc) { e.Any("/", h, c.Output(output.For(1))) },
		"nested Output": func(c *echocache.Cache, e *echo.Echo, h echo.HandlerFunc) {
			e.Group("", c.Output(output.For(1))).GET("/", h, c.Output(output.For(1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache, e, loads := newCache(t, echocache.Config{}), newEcho(), 0
			mount(cache, e, counted(&loads, "tag"))
			for range 3 {
				if w := send(t, e, http.MethodGet, "/"); strings.TrimSpace(w.Body.String()) != "1" {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				if name == "Output, by HEAD" {
					send(t, e, http.MethodHead, "/")
				}
			}
			if err := cache.Outputs().Evict(t.Context(), "tag"); err != nil {
				t.Error(err)
			}
			if w := send(t, e, http.MethodGet, "/"); strings.TrimSpace(w.Body.String()) != "2" {
				t.Errorf("after the eviction: %s", w.Body)
			}
		})
	}
}

// Of several caches the innermost wins, also for what runs outside of it.
func TestGetOrSetOfTheInnermostCache(t *testing.T) {
	t.Parallel()
	named := func(name string) (*echocache.Cache, *store.Store) {
		s := store.New(memstore.New(memstore.Config{}), store.Config{Namespace: name})
		outputs, err := output.New(output.Config{Name: name, Store: s})
		if err != nil {
			t.Fatal(err)
		}
		return newCache(t, echocache.Config{Cache: outputs}), s
	}
	outer, outerStore := named("outer")
	inner, innerStore := named("inner")
	mounts := map[string]func(c *echocache.Cache) echo.MiddlewareFunc{
		"Attach": (*echocache.Cache).Attach,
		"Evict":  func(c *echocache.Cache) echo.MiddlewareFunc { return c.Evict("other") },
		"Output": func(c *echocache.Cache) echo.MiddlewareFunc { return c.Output(output.For(1)) },
	}
	for outerName, outerMount := range mounts {
		for innerName, innerMount := range mounts {
			e, loads := newEcho(), 0
			after := func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					err := next(c)
					_, err2 := echocache.GetOrSet(c, "after", store.For(hour), func(context.Context) (int, error) { return 1, nil })
					return errors.Join(err, err2)
				}
			}
			e.GET("/", counted(&loads), outerMount(outer), after, innerMount(inner))
			send(t, e, http.MethodGet, "/")
			_, there, err := store.Get[int](t.Context(), innerStore, "k")
			_, notThere, err2 := store.Get[int](t.Context(), outerStore, "k")
			_, above, err3 := store.Get[int](t.Context(), outerStore, "after")
			if !there || notThere || !above || errors.Join(err, err2, err3) != nil {
				t.Errorf("%s around %s: in the inner one %v, in the outer one %v; outside of it %v", outerName, innerName, there, notThere, above)
			}
			if err := errors.Join(innerStore.Delete(t.Context(), "k"), outerStore.Delete(t.Context(), "k", "after")); err != nil {
				t.Error(err)
			}
		}
	}
}

// Without a cache around it a handler loads each time, and the log says so, once a route.
func TestGetOrSetWithoutACache(t *testing.T) {
	t.Parallel()
	e, loads := newEcho(), 0
	var log bytes.Buffer
	e.Logger.SetOutput(&log)
	e.GET("/one", counted(&loads))
	e.GET("/two", counted(&loads))
	for i, path := range []string{"/one", "/one", "/two", "/one"} {
		if w := send(t, e, http.MethodGet, path); w.Code != http.StatusOK || loads != i+1 {
			t.Errorf("%d %s after %d loads", w.Code, w.Body, loads)
		}
	}
	if n := strings.Count(log.String(), "GetOrSet on /one: neither Output nor Evict nor Attach is mounted"); n != 1 {
		t.Errorf("said %d times of /one: %s", n, log.String())
	}
	if n := strings.Count(log.String(), "GetOrSet on /two"); n != 1 {
		t.Errorf("said %d times of /two", n)
	}
}

// The object and the page carry the same tag: one write forgets both, before its answer arrives.
func TestI1_OneWriteForgetsValueAndPage(t *testing.T) {
	t.Parallel()
	cache, e, row := newCache(t, echocache.Config{}), newEcho(), 1
	e.GET("/products/:id", func(c echo.Context) error {
		n, err := echocache.GetOrSet(c, store.Key("product", c.Param("id")), store.For(hour, "product:"+c.Param("id")),
			func(context.Context) (int, error) { return row, nil })
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, n)
	}, cache.Output(output.For(hour).Tag("product:{id}")))
	e.PUT("/products/:id", func(c echo.Context) error {
		row++
		return c.NoContent(http.StatusNoContent)
	}, cache.Evict("product:{id}"))
	for i := range 3 {
		for range 2 {
			if w := send(t, e, http.MethodGet, "/products/7"); strings.TrimSpace(w.Body.String()) != string(rune('1'+i)) {
				t.Errorf("after %d writes: %s", i, w.Body)
			}
		}
		send(t, e, http.MethodPut, "/products/7")
	}
}
