package middleware

import (
	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/output"
)

// Attach makes the cache known to the handlers inside, for [Evict]. What they evict is evicted as by [Cache.Evict]
// mounted here, so it belongs outside of whatever opens a transaction. It costs a request one entry in the context.
func (c *Cache) Attach() echo.MiddlewareFunc {
	return must(EvictConfig{Cache: c}.ToMiddleware())
}

// scopeKey is where an echo.Context holds the innermost scope.
const scopeKey = "github.com/echocache/echocache/middleware.scope"

// Evict adds tags to what the route's own [Cache.Evict] will evict; where there is none, they are evicted as if one
// were mounted where [Cache.Attach] is. An invalid tag is logged and ignored: no page can carry it. With neither above
// it nothing is evicted, and Echo's logger says so.
func Evict(c echo.Context, tags ...string) {
	switch at := c.Get(scopeKey).(type) {
	case *scope:
		at.add(tags)
	case *mounted:
		at.open(c, nil).add(tags)
	default:
		// Not the tags themselves: one may hold a user's id.
		c.Logger().Errorf("echocache: Evict of %d tags on %s: neither Attach nor Evict is mounted, nothing is evicted",
			len(tags), c.Path())
	}
}

// mounted is a place where Evict, or Attach, is mounted.
type mounted struct {
	cache  *Cache
	tags   []output.Template
	strict bool
}
