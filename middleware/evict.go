package middleware

import (
	"errors"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/echocache/echocache/internal/mark"
	"github.com/echocache/echocache/output"
)

// Evict evicts tags when the route inside has answered: before the first byte of the answer, and again when the handler
// has returned, because it may have answered before its transaction was committed. A status of 4xx evicts nothing;
// 5xx and a panic do, because they may have committed. The method does not matter.
//
// Names in braces are filled in as in [output.Policy.Tag]. It panics on an invalid tag, with the reason.
func (c *Cache) Evict(tags ...string) echo.MiddlewareFunc {
	if len(tags) == 0 {
		panic(errors.New("middleware: Evict without a tag: name what the route evicts, or use Attach"))
	}
	return must(EvictConfig{Cache: c, Tags: tags}.ToMiddleware())
}

// EvictConfig is [Cache.Evict] in Echo's own manner.
type EvictConfig struct {
	Skipper middleware.Skipper // nil: the cache's
	Cache   *Cache             // required
	// Tags to evict, besides those that the handler names with [Evict].
	Tags []string
	// Strict turns the answer into a 503 if the backend does not confirm the eviction in time, unless its first
	// byte has left. Without it the answer goes out, and the eviction is carried out as soon as it can be.
	Strict bool
}

// ToMiddleware returns the middleware, or what is wrong with its tags.
func (e EvictConfig) ToMiddleware() (echo.MiddlewareFunc, error) {
	if e.Cache == nil {
		return nil, errors.New("middleware: EvictConfig.Cache is nil: set the cache that New returned")
	}
	tags, err := output.ParseTemplates(e.Tags...)
	if err != nil {
		return nil, err
	}
	m := &mounted{cache: e.Cache, tags: tags, strict: e.Strict}
	return (&chain{skip: e.Cache.skipper(e.Skipper), at: m}).around, nil
}

// serve runs the chain below with the scope open, and evicts when it is over, whatever way it ended.
func (m *mounted) serve(c echo.Context, next echo.HandlerFunc) (err error) {
	if probe := mark.Of(c.Request().Context()); probe != nil && len(m.tags) > 0 {
		m.examined(probe, c)
		return nil
	}
	above := c.Get(scopeKey)
	if len(m.tags) > 0 {
		m.open(c, m.tags)
	} else {
		c.Set(scopeKey, m) // a scope is made when somebody evicts
	}
	panicked := true
	defer func() {
		s, open := c.Get(scopeKey).(*scope)
		c.Set(scopeKey, above)
		if open && s.mounted == m {
			if late := s.leave(panicked, err); late != nil {
				err = late
			}
		}
	}()
	err = m.cache.within(c, func() error { return next(c) })
	panicked = false
	return err
}
