package main

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/output"
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

// cacheStats shows what the cache has done so far, and where it keeps things. A real shop keeps it off the public port.
func (s *shop) cacheStats(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, struct {
		output.Stats

		Backend status `json:"backend"`
	}{s.cache.Outputs().Stats(), s.backend.status()})
}
