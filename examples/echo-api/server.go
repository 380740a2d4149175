package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// newServer returns an Echo with everything that is not about the shop: limits, logging, and the middleware of every
// HTTP service, the outermost first.
func newServer(logger *slog.Logger) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = errorHandler(logger)
	e.IPExtractor = echo.ExtractIPDirect()
	e.StdLogger = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)

	e.Server.ReadHeaderTimeout = 5 * time.Second
	e.Server.ReadTimeout = 10 * time.Second
	e.Server.WriteTimeout = 30 * time.Second
	e.Server.IdleTimeout = 2 * time.Minute
	e.Server.MaxHeaderBytes = 64 << 10

	e.Use(
		middleware.RequestID(),
		requestLog(logger),
		middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: logPanic(logger)}),
		middleware.Secure(),
		middleware.BodyLimit(maxBody),
		// Outside the cache, which keeps pages as the handler wrote them: one entry serves clients with gzip and
		// without.
		middleware.Gzip(),
	)
	return e
}

// requestLog writes a line for each request, with what the cache says of it.
func requestLog(logger *slog.Logger) echo.MiddlewareFunc {
	return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		HandleError:  true, // so that the status is the one the client gets
		LogMethod:    true,
		LogURIPath:   true,
		LogStatus:    true,
		LogLatency:   true,
		LogRequestID: true,
		LogValuesFunc: func(c echo.Context, v middleware.RequestLoggerValues) error {
			level := slog.LevelInfo
			if v.Status >= http.StatusInternalServerError {
				level = slog.LevelError
			}
			logger.Log(c.Request().Context(), level, "request",
				"method", v.Method, "path", v.URIPath, "status", v.Status, "took", v.Latency,
				"cache", c.Response().Header().Get("Cache-Status"), "request_id", v.RequestID)
			return nil
		},
	})
}

func logPanic(logger *slog.Logger) middleware.LogErrorFunc {
	return func(c echo.Context, err error, stack []byte) error {
		logger.ErrorContext(c.Request().Context(), "panic", "route", c.Path(), "error", err, "stack", string(stack))
		return err
	}
}
