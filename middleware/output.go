package middleware

import (
	"errors"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/echocache/echocache/output"
)

// Output caches what is inside by the policy: a route, a group, or everything. Of two policies on one request the inner
// one decides. It panics on an invalid policy, with the reason.
func (c *Cache) Output(p output.Policy) echo.MiddlewareFunc {
	return must(OutputConfig{Cache: c, Policy: p}.ToMiddleware())
}

// OutputConfig is [Cache.Output] in Echo's own manner.
type OutputConfig struct {
	Skipper middleware.Skipper // nil: the cache's
	Cache   *Cache             // required
	Policy  output.Policy
}

// ToMiddleware returns the middleware, or the mistake in its policy.
func (o OutputConfig) ToMiddleware() (echo.MiddlewareFunc, error) {
	if o.Cache == nil {
		return nil, errors.New("middleware: OutputConfig.Cache is nil: set the cache that New returned")
	}
	mount, err := o.Cache.outputs.Mount(o.Policy, o.Cache.door)
	if err != nil {
		return nil, err
	}
	skip := o.Skipper
	if skip == nil {
		skip = o.Cache.config.Skipper
	}
	// Echo builds the chain anew for every request: nothing may happen between here and the inner function.
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if skip(c) {
				return next(c)
			}
			return o.Cache.serve(mount, c, next)
		}
	}, nil
}

// serve hands a request to the mount.
func (c *Cache) serve(m *output.Mount, ctx echo.Context, next echo.HandlerFunc) error {
	x := exchanges.Get().(*exchange)
	x.cache, x.context, x.next = c, ctx, next
	err := m.Serve(ctx.Response(), ctx.Request(), x)
	*x = exchange{}
	exchanges.Put(x) // not after a panic: somebody may still hold it
	if errors.Is(err, output.ErrOverload) {
		ctx.Response().Header().Set(echo.HeaderRetryAfter, "1")
		return echo.ErrServiceUnavailable.WithInternal(err)
	}
	return err
}

// Tag adds tags to the page that is being filled. On a route that is not cached it does nothing. An invalid tag keeps
// the page from being stored: it could not be evicted by it.
func Tag(c echo.Context, tags ...string) { output.Current(c.Request().Context()).Tag(tags...) }

func must(m echo.MiddlewareFunc, err error) echo.MiddlewareFunc {
	if err != nil {
		panic(err)
	}
	return m
}
