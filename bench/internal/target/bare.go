package target

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/bench/internal/page"
)

// bareEcho answers from a handler. It does not count: a counter that two cores share would cost as much as the request.
func bareEcho(length bool) func(c Config) (opened, error) {
	return func(c Config) (opened, error) {
		body := page.Body(c.Size)
		e := echo.New()
		e.GET(page.Route, func(c echo.Context) error {
			if length {
				c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
			}
			return c.Blob(http.StatusOK, page.ContentType, body)
		})
		return opened{handler: e}, nil
	}
}

func countingEcho(c Config) (opened, error) {
	o := newOrigin(c)
	e := echo.New()
	e.GET(page.Route, func(c echo.Context) error { return c.Blob(http.StatusOK, page.ContentType, o.make()) })
	return opened{handler: e, origin: o}, nil
}

func bareGin(c Config) (opened, error) {
	body := page.Body(c.Size)
	g := newGin()
	g.GET(page.Route, func(c *gin.Context) { c.Data(http.StatusOK, page.ContentType, body) })
	return opened{handler: g}, nil
}

func newGin() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	return gin.New()
}

// naiveRedis is what a developer writes who wants a page from Redis: one GET with go-redis as it comes, no key but a
// constant, no tags, no headers, no decoding.
func naiveRedis(c Config) (opened, error) {
	client := redis.NewClient(&redis.Options{Addr: c.Redis})
	const key = "page"
	ctx, cancel := startup()
	defer cancel()
	if err := client.Set(ctx, key, page.Body(c.Size), c.TTL).Err(); err != nil {
		_ = client.Close()
		return opened{}, err
	}
	e := echo.New()
	e.GET(page.Route, func(c echo.Context) error {
		body, err := client.Get(c.Request().Context(), key).Bytes()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, page.ContentType, body)
	})
	return opened{handler: e, close: client.Close}, nil
}
