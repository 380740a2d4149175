package main

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
)

// pingPatience is how long a load balancer should have to wait for bad news.
const pingPatience = time.Second

// health says whether the shop can do its work.
func (s *shop) health(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), pingPatience)
	defer cancel()
	if err := s.db.Ping(ctx); err != nil {
		return echo.NewHTTPError(http.StatusServiceUnavailable, "the database does not answer").WithInternal(err)
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// cacheStats shows what the cache has done so far. A real shop keeps it off the public port.
func cacheStats(cache *echocache.Cache) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		return c.JSON(http.StatusOK, cache.Outputs().Stats())
	}
}
