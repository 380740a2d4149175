package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

const (
	stormy     = 8 // instances
	stormPool  = 8 // connections of each
	stormFor   = 3 * time.Second
	stormPause = 5 * time.Millisecond // between two look-ups of one of an instance's callers
)

// All instances lose Redis at once and find it again at once, under load: each opens its own connections and no more, Redis
// is not kept busy by that, and everybody has hits again.
func TestAReconnectStorm(t *testing.T) {
	server := testredis.Start(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	backends := make([]store.Backend, stormy)
	guards := make([]*breaker.Breaker, stormy)
	for i := range backends {
		o := redisstore.Options(server.Addr())
		o.PoolSize = stormPool
		client := redis.NewUniversalClient(o)
		guards[i] = breaker.New(redisstore.New(client, redisstore.Config{Namespace: "storm"}), breaker.Config{})
		backends[i] = guards[i]
		if i%2 == 0 {
			backends[i] = tiered.New(memstore.New(memstore.Config{}), guards[i], tiered.Config{})
		}
		t.Cleanup(func() { _ = errors.Join(backends[i].Close(), client.Close()) })
		for range stormPool {
			work.Go(func() { ask(ctx, backends[i]) })
		}
	}
	defer work.Wait()
	defer stop()
	found(t, backends)
	server.Stop()
	for _, g := range guards {
		until(t, "an open breaker", func() bool { return g.State() == breaker.Open })
	}
	server.Restart()
	began, before := time.Now(), processor(t, server)
	most := 0
	for time.Since(began) < stormFor {
		most = max(most, number(t, server.Must("INFO", "clients"), "connected_clients:")-1) // one is ours
		time.Sleep(10 * time.Millisecond)
	}
	share := (processor(t, server) - before) / time.Since(began).Seconds()
	t.Logf("at most %d connections of %d instances, %d each; Redis was busy for %.0f %% of the time", most, stormy, stormPool, 100*share)
	if most > stormy*stormPool {
		t.Errorf("%d connections, want at most %d", most, stormy*stormPool)
	}
	if share > 0.8 {
		t.Errorf("Redis was busy for %.0f %% of the time, want at most 80 %%", 100*share)
	}
	found(t, backends)
}

// ask looks for pages, and fills them, until ctx ends.
func ask(ctx context.Context, b store.Backend) {
	for ctx.Err() == nil {
		key := strconv.Itoa(rand.IntN(pages))
		if f, err := b.Lookup(ctx, key); err == nil && f[0].Record == nil {
			_, _ = b.Store(ctx, key, store.Record{Value: []byte(key), TTL: time.Minute, Fence: f[0].Fence})
		}
		time.Sleep(stormPause)
	}
}

// found waits until every instance finds every page.
func found(t *testing.T, backends []store.Backend) {
	t.Helper()
	for i, b := range backends {
		for page := range pages {
			until(t, fmt.Sprintf("page %d at instance %d", page, i), func() bool {
				f, err := b.Lookup(t.Context(), strconv.Itoa(page))
				return err == nil && f[0].Record != nil
			})
		}
	}
}

func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for began := time.Now(); !yes(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%s did not come", what)
		}
	}
}

// processor returns how many seconds of processor time the server has taken.
func processor(t *testing.T, server *testredis.Server) float64 {
	t.Helper()
	info, sum := server.Must("INFO", "cpu"), 0.0
	for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
		s, err := strconv.ParseFloat(field(info, name), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += s
	}
	return sum
}

func number(t *testing.T, info, name string) int {
	t.Helper()
	n, err := strconv.Atoi(field(info, name))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func field(info, name string) string {
	_, after, _ := strings.Cut(info, name)
	value, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(value)
}
