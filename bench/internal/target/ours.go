package target

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/breaker"
	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"

	"github.com/echocache/echocache/bench/internal/page"
)

// startup bounds what a constructor does over a network.
func startup() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// policy has a full key: host, route, path, query, a header that is varied on, the user; and three tags that are checked
// at each hit, besides the cache's own.
func policy(c Config) output.Policy {
	tags := []string{"product:{id}", "brand:kestrel", "catalog"}
	if c.Tags > 0 {
		tags = tags[:c.Tags]
	}
	return output.For(c.TTL).PerUser().Jitter(0).VaryHeader("Accept-Language").VaryQuery("page", "sort").Tag(tags...)
}

func oursInMemory(c Config) (opened, error) {
	return ours(c, policy(c), memstore.New(memstore.Config{}))
}

// calm is the budget of a call to Redis. The default is 50 ms, after which a request is better off with its handler; a
// machine that is kept busy on purpose would make misses of hits, and it is hits that are measured.
const calm = 10 * time.Second

// inRedis is our backend in Redis as an application has it, behind the breaker, but for the budgets.
func inRedis(c Config) (b *breaker.Breaker, client redis.UniversalClient) {
	options := redisstore.Options(c.Redis)
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = calm, calm, calm, calm
	client = redis.NewUniversalClient(options)
	backend := redisstore.New(client, redisstore.Config{
		Namespace: "bench", LookupTimeout: calm, StoreTimeout: calm, EvictTimeout: calm,
	})
	return breaker.New(backend, breaker.Config{
		Name: "redis", LookupTimeout: calm, StoreTimeout: calm, EvictTimeout: calm, MaxCalls: 4096,
	}), client
}

func oursInRedis(c Config) (opened, error) {
	backend, client := inRedis(c)
	return closing(client)(ours(c, policy(c).CollapseFleet(), backend))
}

func oursTiered(c Config) (opened, error) {
	backend, client := inRedis(c)
	local := memstore.New(memstore.Config{})
	return closing(client)(ours(c, policy(c).CollapseFleet(), tiered.New(local, backend, tiered.Config{})))
}

// closing has a client closed after what uses it.
func closing(client redis.UniversalClient) func(o opened, err error) (opened, error) {
	return func(o opened, err error) (opened, error) {
		if err != nil {
			_ = client.Close()
			return o, err
		}
		first := o.close
		o.close = func() error {
			if err := first(); err != nil {
				return err
			}
			return client.Close()
		}
		return o, nil
	}
}

func ours(c Config, p output.Policy, backend store.Backend) (opened, error) {
	outputs, err := output.New(output.Config{Name: "bench", Store: store.New(backend, store.Config{Namespace: "bench"})})
	if err != nil {
		return opened{}, err
	}
	cache, err := echocache.New(echocache.Config{
		Cache: outputs, User: func(c echo.Context) string { return c.Request().Header.Get(page.UserHeader) },
	})
	if err != nil {
		return opened{}, err
	}
	o := newOrigin(c)
	e := echo.New()
	e.GET(page.Route, func(ctx echo.Context) error {
		for i := range c.Extra {
			ctx.Response().Header().Set(fmt.Sprintf("X-Extra-%d", i), "a value")
		}
		return ctx.Blob(http.StatusOK, page.ContentType, o.make())
	}, cache.Output(p))
	return opened{handler: e, origin: o, close: cache.Close}, nil
}
