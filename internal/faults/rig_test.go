package faults_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// rig is a site behind a cache of its own, whose Redis is behind a proxy.
type rig struct {
	site    *site
	handler http.Handler

	server *testredis.Server // nil with what follows: there is no cache
	proxy  *proxy
	guard  *breaker.Breaker
	store  *store.Store
	cache  *output.Cache
	client redis.UniversalClient
	opened atomic.Int64 // when the breaker first opened, in nanoseconds since 1970; 0: never
}

func newRig(tb testing.TB, f fault) *rig {
	tb.Helper()
	r := &rig{site: &site{}}
	if f.begin == nil {
		r.handler = r.site
		return r
	}
	r.server = testredis.Start(tb, f.server...)
	if f.prepare != nil {
		f.prepare(r)
	}
	r.proxy = newProxy(tb, r.server.Addr())
	options := redisstore.Options(r.proxy.addr)
	if f.pool > 0 {
		options.PoolSize = f.pool
	}
	r.client = redis.NewUniversalClient(options)
	r.guard = breaker.New(redisstore.New(r.client, redisstore.Config{Namespace: "faults"}), breaker.Config{
		SlowLookup: f.slow,
		OnStateChange: func(_, to breaker.State) {
			if to == breaker.Open {
				r.opened.CompareAndSwap(0, time.Now().UnixNano())
			}
		},
	})
	var backend store.Backend = r.guard
	if f.tiered {
		backend = tiered.New(memstore.New(memstore.Config{}), r.guard, tiered.Config{})
	}
	r.store = store.New(backend, store.Config{Namespace: "faults"})
	cache, err := output.New(output.Config{Store: r.store})
	if err != nil {
		tb.Fatal(err)
	}
	r.cache = cache
	mux := http.NewServeMux()
	mux.Handle("GET /pages/{id}", cache.Handler(output.For(time.Minute).Public().Tag("page:{id}"), r.site))
	r.handler = mux
	return r
}

// close ends everything that the rig runs.
func (r *rig) close() error {
	if r.server == nil {
		return nil
	}
	err := errors.Join(r.cache.Close(), r.store.Close(), r.client.Close())
	r.proxy.down()
	r.proxy.work.Wait()
	r.server.Stop()
	return err
}

// write changes a page every tenth of a second until ctx ends.
func (r *rig) write(ctx context.Context) error {
	if r.cache == nil {
		return nil
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for page := 0; ; page = (page + 1) % pages {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		version := r.site.versions[page].Add(1)
		err := r.cache.Evict(context.WithoutCancel(ctx), "page:"+strconv.Itoa(page))
		if err != nil && !errors.Is(err, store.ErrEvictionPending) {
			return err
		}
		r.site.floors[page].Store(version)
	}
}

func (r *rig) open() bool { return r.guard != nil && r.guard.State() != breaker.Closed }
