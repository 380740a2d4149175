package middleware

import (
	"errors"
	"net/http"

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
	r := &route{cache: o.Cache, mount: mount, personal: mount.PerUser()}
	return (&chain{skip: o.Cache.skipper(o.Skipper), at: r}).around, nil
}

// route is a policy where it is mounted.
type route struct {
	cache    *Cache
	mount    *output.Mount
	personal bool // the policy keeps a page for each user
}

// serve hands a request to the mount.
func (r *route) serve(c echo.Context, next echo.HandlerFunc) error {
	request := c.Request()
	if request.Method == http.MethodHead && headRefused(c) {
		return next(c)
	}
	x := exchanges.Get().(*exchange) //nolint:errcheck // the pool holds nothing else
	x.cache, x.context, x.next, x.personal = r.cache, c, next, r.personal
	w := c.Response()
	t := tellerOf(w.Writer)
	var around inside
	if t != nil {
		around, t.output = t.output, inside{&x.scratch, r.personal}
	}
	err := r.mount.Serve(w, request, x)
	if t != nil {
		t.output = around
	}
	x.reset()
	exchanges.Put(x) // not after a panic: somebody may still hold it
	if err != nil && errors.Is(err, output.ErrOverload) {
		c.Response().Header().Set(echo.HeaderRetryAfter, "1")
		return echo.ErrServiceUnavailable.WithInternal(err)
	}
	return err
}

// headRefused reports whether c is a HEAD for which its route is not registered. Echo answers that with a 405, and so it
// must stay under a policy for all routes, which may have the page of a GET.
func headRefused(c echo.Context) bool { return c.Get(echo.ContextKeyHeaderAllow) != nil }

// Tag adds tags to the page that is being filled. On a route that is not cached it does nothing. An invalid tag keeps
// the page from being stored: it could not be evicted by it.
func Tag(c echo.Context, tags ...string) { output.Current(c.Request().Context()).Tag(tags...) }

func must(m echo.MiddlewareFunc, err error) echo.MiddlewareFunc {
	if err != nil {
		panic(err)
	}
	return m
}
