package target

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	echohttp "github.com/SporkHubr/echo-http-cache"
	echomemory "github.com/SporkHubr/echo-http-cache/adapter/memory"
	ginhttp "github.com/chenyahui/gin-cache"
	"github.com/chenyahui/gin-cache/persist"
	"github.com/darkweak/souin/configurationtypes"
	souin "github.com/darkweak/souin/pkg/middleware"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/stampede"
	redisv8 "github.com/go-redis/redis/v8"
	cachestore "github.com/goware/cachestore2"
	"github.com/labstack/echo/v4"
	httpcache "github.com/victorspringer/http-cache"
	httpmemory "github.com/victorspringer/http-cache/adapter/memory"

	"github.com/echocache/echocache/bench/internal/page"
)

// onEcho mounts a middleware on the page's route.
func onEcho(c Config, m echo.MiddlewareFunc) opened {
	o := newOrigin(c)
	e := echo.New()
	e.GET(page.Route, func(c echo.Context) error { return c.Blob(http.StatusOK, page.ContentType, o.make()) }, m)
	return opened{handler: e, origin: o}
}

// echoHTTPCache keys on the URL. It decodes an entry at each hit, and encodes and stores it anew.
func echoHTTPCache(c Config) (opened, error) {
	adapter, err := echomemory.NewAdapter(echomemory.AdapterWithAlgorithm(echomemory.LRU), echomemory.AdapterWithCapacity(1000))
	if err != nil {
		return opened{}, err
	}
	client, err := echohttp.NewClient(echohttp.ClientWithAdapter(adapter), echohttp.ClientWithTTL(c.TTL))
	if err != nil {
		return opened{}, err
	}
	return onEcho(c, client.Middleware()), nil
}

// httpCacheOnEcho keys on the URL.
func httpCacheOnEcho(c Config) (opened, error) {
	adapter, err := httpmemory.NewAdapter(httpmemory.AdapterWithAlgorithm(httpmemory.LRU), httpmemory.AdapterWithCapacity(1000))
	if err != nil {
		return opened{}, err
	}
	client, err := httpcache.NewClient(httpcache.ClientWithAdapter(adapter), httpcache.ClientWithTTL(c.TTL))
	if err != nil {
		return opened{}, err
	}
	return onEcho(c, echo.WrapMiddleware(client.Middleware)), nil
}

// stampedeOnEcho keys on the path, and here on the language.
func stampedeOnEcho(c Config) (opened, error) {
	logger := slog.New(slog.DiscardHandler)
	return onEcho(c, echo.WrapMiddleware(stampede.Handler(logger, &memory{}, c.TTL,
		stampede.WithHTTPCacheKeyRequestHeaders([]string{"Accept-Language"})))), nil
}

// memory is a store for stampede: a map and times, with no limit, so less work than the LRU which its documentation
// names (goware/cachestore-mem, which the Go module proxy does not have). It implements what stampede calls; the rest of
// the interface is nil.
type memory struct {
	cachestore.Store[any]
	kept sync.Map
}

type kept struct {
	value any
	until time.Time
}

func (*memory) Name() string { return "memory" }

func (*memory) Options() cachestore.StoreOptions { return cachestore.StoreOptions{} }

func (m *memory) Get(_ context.Context, key string) (value any, ok bool, err error) {
	found, _ := m.kept.Load(key)
	k, ok := found.(kept)
	if !ok || time.Now().After(k.until) {
		return nil, false, nil
	}
	return k.value, true, nil
}

func (m *memory) SetEx(_ context.Context, key string, value any, ttl time.Duration) error {
	m.kept.Store(key, kept{value, time.Now().Add(ttl)})
	return nil
}

// souinOnEcho has its default store. The module's plugin for Echo is not on the Go module proxy; what it does stands
// here: the writer that Souin gives its next handler becomes that of Echo's response.
func souinOnEcho(c Config) (opened, error) {
	handler := souin.NewHTTPCacheHandler(&souin.BaseConfiguration{
		DefaultCache: &configurationtypes.DefaultCache{
			TTL:               configurationtypes.Duration{Duration: c.TTL},
			Headers:           []string{"Accept-Language"},
			AllowedHTTPVerbs:  []string{http.MethodGet, http.MethodHead},
			DisableCoalescing: false,
		},
		LogLevel: "fatal",
	})
	return onEcho(c, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			response := c.Response()
			outer := response.Writer
			return handler.ServeHTTP(outer, c.Request(), func(w http.ResponseWriter, r *http.Request) error {
				response.Writer = w
				defer func() { response.Writer = outer }()
				c.SetRequest(r)
				return next(c)
			})
		}
	}), nil
}

// ginCacheInMemory keys on the request's URI.
func ginCacheInMemory(c Config) (opened, error) {
	store := persist.NewMemoryStore(c.TTL)
	return onGin(c, ginhttp.CacheByRequestURI(store, c.TTL), store.Cache.Close), nil
}

func ginCacheInRedis(c Config) (opened, error) {
	client := redisv8.NewClient(&redisv8.Options{Addr: c.Redis})
	return onGin(c, ginhttp.CacheByRequestURI(persist.NewRedisStore(client), c.TTL), client.Close), nil
}

func onGin(c Config, m gin.HandlerFunc, end func() error) opened {
	o := newOrigin(c)
	g := newGin()
	g.GET(page.Route, m, func(c *gin.Context) { c.Data(http.StatusOK, page.ContentType, o.make()) })
	return opened{handler: g, origin: o, close: end}
}
