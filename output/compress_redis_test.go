package output_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// overRedis are the ways in which an instance keeps its pages in Redis.
var overRedis = map[string]func(store.Backend) store.Backend{
	"redis": func(b store.Backend) store.Backend { return b },
	"tiered": func(b store.Backend) store.Backend {
		return tiered.New(memstore.New(memstore.Config{}), b, tiered.Config{})
	},
}

// redisStore is one instance's store in a namespace at a server.
func redisStore(t *testing.T, server *testredis.Server, namespace string, wrap func(store.Backend) store.Backend) *store.Store {
	t.Helper()
	options := redisstore.Options(server.Addr())
	options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = 5*time.Second, 5*time.Second, 5*time.Second // a busy machine
	client := redis.NewUniversalClient(options)
	t.Cleanup(func() { _ = client.Close() })
	near := redisstore.Config{
		Namespace: namespace, LookupTimeout: 5 * time.Second, StoreTimeout: 5 * time.Second, EvictTimeout: 5 * time.Second,
	}
	return store.New(wrap(redisstore.New(client, near)), store.Config{Namespace: namespace})
}

// Through a real Redis, with and without memory in front of it, an instance that has made nothing gives the very bytes that
// the one which filled the page has sent, and compresses nothing.
func TestCompressThroughRedis(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	for name, wrap := range overRedis {
		instance := func() *page {
			return serve(t, output.Config{Store: redisStore(t, server, "compress-"+name, wrap)}, compressed, text(prose))
		}
		one, two := instance(), instance()
		made := 0
		for _, p := range []*page{one, two} {
			p.cache.SetYield(func(point string) {
				if point == "compress" {
					made++
				}
			})
		}
		ask(one, http.MethodGet) // the filler does not want it compressed
		var first string
		for i, p := range []*page{one, two, two, one} {
			w := ask(p, http.MethodGet, "Accept-Encoding", "gzip")
			if form := is(t, w, prose); form != "gzip" || !strings.Contains(w.Header().Get("Cache-Status"), "hit") {
				t.Errorf("%s, %d: %s %v", name, i, form, w.Header())
			}
			if i == 0 {
				first = w.Body.String()
			}
			if w.Body.String() != first {
				t.Errorf("%s, %d: other bytes", name, i)
			}
			is(t, ask(p, http.MethodGet), prose)
		}
		if n := one.runs.Load() + two.runs.Load(); n != 1 || made != 0 {
			t.Errorf("%s: %d runs, compressed %d times by hits", name, n, made)
		}
	}
}
