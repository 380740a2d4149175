package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// names makes namespaces, each of which is new.
var names atomic.Uint64

func namespace() string { return fmt.Sprintf("t%d-%x", names.Add(1), rand.Uint32()) }

// dial returns a client that ends with the test.
func dial(tb testing.TB, servers ...*testredis.Server) redis.UniversalClient {
	tb.Helper()
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addrs[i] = s.Addr()
	}
	o := redisstore.Options(addrs...)
	o.IsClusterMode = len(servers) > 1
	client := redis.NewUniversalClient(o)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// patient are timeouts for tests that are not about them: a busy machine is no finding.
func patient(c redisstore.Config) redisstore.Config {
	c.LookupTimeout, c.StoreTimeout, c.EvictTimeout = 5*time.Second, 5*time.Second, 5*time.Second
	return c
}

// patientClient returns a client whose timeouts do not mind a busy machine.
func patientClient(tb testing.TB, servers ...*testredis.Server) redis.UniversalClient {
	tb.Helper()
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addrs[i] = s.Addr()
	}
	o := redisstore.Options(addrs...)
	o.IsClusterMode = len(servers) > 1
	return patientWith(tb, o)
}

// sentinelClient returns the same of what sentinels watch.
func sentinelClient(tb testing.TB, g *testredis.Sentinels) redis.UniversalClient {
	tb.Helper()
	o := redisstore.Options(g.Addrs()...)
	o.MasterName = testredis.MasterName
	return patientWith(tb, o)
}

func patientWith(tb testing.TB, o *redis.UniversalOptions) redis.UniversalClient {
	tb.Helper()
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = 5*time.Second, 5*time.Second, 5*time.Second, 5*time.Second
	client := redis.NewUniversalClient(o)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// open returns a store in a namespace of its own.
func open(tb testing.TB, client redis.UniversalClient, c redisstore.Config) *redisstore.Store {
	tb.Helper()
	if c.Namespace == "" {
		c.Namespace = namespace()
	}
	s := redisstore.New(client, patient(c))
	if err := s.Check(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// look returns what is under key.
func look(tb testing.TB, b store.Backend, key string) store.Found {
	tb.Helper()
	found, err := b.Lookup(context.Background(), key)
	if err != nil {
		tb.Fatalf("Lookup(%q): %v", key, err)
	}
	return found[0]
}

// miss wants nothing under key, and returns the fence.
func miss(tb testing.TB, b store.Backend, key string) store.Fence {
	tb.Helper()
	f := look(tb, b, key)
	if f.Record != nil {
		tb.Fatalf("Lookup(%q) found %.40q, want a miss", key, f.Record.Value)
	}
	if f.Fence.Epoch == [16]byte{} {
		tb.Fatalf("Lookup(%q) gave no fence", key)
	}
	return f.Fence
}

// hit wants value under key.
func hit(tb testing.TB, b store.Backend, key, value string) store.Found {
	tb.Helper()
	f := look(tb, b, key)
	if f.Record == nil || string(f.Record.Value) != value {
		tb.Fatalf("Lookup(%q) = %+v, want %q", key, f, value)
	}
	return f
}

// offer stores value under key for an hour and wants a verdict.
func offer(tb testing.TB, b store.Backend, want store.Verdict, key, value string, f store.Fence, tags ...string) {
	tb.Helper()
	r := store.Record{Value: []byte(value), Tags: tags, TTL: time.Hour, Fence: f}
	if got, err := b.Store(context.Background(), key, r); got != want {
		tb.Fatalf("Store(%q) = %v (%v), want %v", key, got, err, want)
	}
}

// put fills key.
func put(tb testing.TB, b store.Backend, key, value string, tags ...string) {
	tb.Helper()
	offer(tb, b, store.Stored, key, value, look(tb, b, key).Fence, tags...)
}

func evict(tb testing.TB, b store.Backend, tags ...string) {
	tb.Helper()
	if err := b.Evict(context.Background(), tags...); err != nil {
		tb.Fatalf("Evict(%q): %v", tags, err)
	}
}
