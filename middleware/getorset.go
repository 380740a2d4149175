package middleware

import (
	"context"
	"sync"
	"weak"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/store"
)

// GetOrSet returns the value under key from the store of the innermost cache that is mounted around the handler, by
// [Cache.Output], [Cache.Evict] or [Cache.Attach], and loads and keeps it if there is none; see [store.GetOrSet]. Value
// and page share the names of tags: one eviction forgets both. Without a cache around it the handler loads each time,
// and Echo's logger says so, once a route.
//
// The load does not run in the request's goroutine and may outlive it, so it must not use c.
func GetOrSet[T any](
	c echo.Context, key string, o store.Options, load func(context.Context) (T, error),
) (T, error) {
	ctx := c.Request().Context()
	cache, _ := c.Get(cacheKey).(*Cache)
	if cache == nil {
		warnOnce(c)
		return load(ctx)
	}
	return store.GetOrSet(ctx, cache.outputs.Store(), key, o, load)
}

// cacheKey is where an echo.Context holds the innermost cache.
const cacheKey = "github.com/echocache/echocache/middleware.cache"

// within runs f with c as the innermost cache, and puts back the one above.
func (c *Cache) within(ctx echo.Context, f func() error) error {
	above := ctx.Get(cacheKey)
	ctx.Set(cacheKey, c)
	defer ctx.Set(cacheKey, above)
	return f()
}

// warned holds the routes of which it was said that they have no cache. Without one there is nothing else to hold it:
// this is the only state of the package. It does not keep an application alive.
var warned sync.Map // warnedRoute → struct{}

type warnedRoute struct {
	echo weak.Pointer[echo.Echo]
	path string
}

func warnOnce(c echo.Context) {
	route := warnedRoute{weak.Make(c.Echo()), c.Path()}
	if _, again := warned.LoadOrStore(route, struct{}{}); !again {
		c.Logger().Errorf("echocache: GetOrSet on %s: neither Output nor Evict nor Attach is mounted, nothing is kept", c.Path())
	}
}
