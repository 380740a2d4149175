package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// hitsBack is how long, on a busy machine, hits may stay away after the sentinels have agreed on a new master.
const hitsBack = 5 * time.Second

// throughSentinels returns what an application has: our options, and a breaker.
func throughSentinels(t *testing.T, g *testredis.Sentinels, ns string) (*breaker.Breaker, *redisstore.Store) {
	t.Helper()
	o := redisstore.Options(g.Addrs()...)
	o.MasterName = testredis.MasterName
	client := redis.NewUniversalClient(o)
	near := redisstore.New(client, redisstore.Config{Namespace: ns, Lease: time.Millisecond})
	guard := breaker.New(near, breaker.Config{})
	t.Cleanup(func() {
		_ = guard.Close()
		_ = client.Close()
	})
	return guard, near
}

// TestI1FailoverThroughSentinel has an eviction confirmed of which the replica never hears, and that replica made the
// master. The client finds it by itself; nothing of the old epoch is served there.
func TestI1FailoverThroughSentinel(t *testing.T) {
	t.Parallel()
	g := testredis.StartSentinels(t)
	guard, near := throughSentinels(t, g, namespace())
	eventually(t, func() error { return guard.Evict(t.Context(), "warm") })
	for i := range 20 {
		key := fmt.Sprint("k", i)
		eventually(t, func() error { return fill(guard, key, "old", "a") })
	}
	late := miss(t, guard, "late")
	if grade := near.Grade(); grade != redisstore.GradeExceptSplitBrain {
		t.Errorf("with a replica the grade is %q", grade)
	}
	old := g.Master()
	replica := g.Replica(old)
	replica.CatchUp(old)
	replica.Forsake()
	eventually(t, func() error { return guard.Evict(t.Context(), "a") })
	old.Stop()
	now := g.AwaitFailover(old)
	agreed := time.Now()
	if n := now.Must("DBSIZE"); n != "22" { // the clock, and the table of what was evicted first
		t.Fatalf("the new master has %s keys, want all that there were: the test proves nothing", n)
	}
	eventually(t, func() error {
		if f, err := near.Lookup(t.Context(), "fresh"); err != nil || f[0].Fence == (store.Fence{}) {
			return fmt.Errorf("no fence from the new master (%w)", err)
		}
		return nil
	})
	for i := range 20 {
		key := fmt.Sprint("k", i)
		eventually(t, func() error { return missing(near, key) })
	}
	offer(t, near, store.Fenced, "late", "old", late, "a")
	eventually(t, func() error { return fill(guard, "k0", "new", "a") })
	hit(t, guard, "k0", "new")
	took := time.Since(agreed)
	t.Logf("a hit %v after the sentinels agreed, the breaker is %s", took.Round(time.Millisecond), guard.State())
	if took > hitsBack {
		t.Errorf("a hit came %v after the sentinels had agreed, want at most %v", took, hitsBack)
	}
	eventually(t, func() error { return guard.Evict(t.Context(), "a") })
	eventually(t, func() error { return missing(near, "k0") })
}

// fill stores value under key, unless it cannot.
func fill(b store.Backend, key, value string, tags ...string) error {
	found, err := b.Lookup(context.Background(), key)
	if err != nil {
		return err
	}
	r := store.Record{Value: []byte(value), Tags: tags, TTL: time.Hour, Fence: found[0].Fence}
	if v, err := b.Store(context.Background(), key, r); v != store.Stored {
		return fmt.Errorf("%s: %v (%w)", key, v, err)
	}
	return nil
}

// missing returns an error if something is under key, or if there is no answer.
func missing(b store.Backend, key string) error {
	found, err := b.Lookup(context.Background(), key)
	switch {
	case err != nil:
		return err
	case found[0].Record != nil:
		return fmt.Errorf("%s: found %q", key, found[0].Record.Value)
	}
	return nil
}

// TestI1SentinelUnderLoad has two instances read and write while the sentinels fail over twice: from a master that dies,
// with writes of which the replica has not heard, and from one that lives on, as OPERATIONS says to do it.
func TestI1SentinelUnderLoad(t *testing.T) {
	t.Parallel()
	g := testredis.StartSentinels(t)
	ns := namespace()
	var w world
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for range 2 {
		b, _ := throughSentinels(t, g, ns)
		for range 4 {
			w.work(ctx, 2*time.Millisecond, func() { w.read(b, rand.IntN(faultKeys)) })
		}
		w.work(ctx, 10*time.Millisecond, func() { w.write(b, rand.IntN(faultKeys)) })
	}
	w.happens(t, "before", 200, 20)
	old := g.Master()
	g.Replica(old).Forsake()
	w.happens(t, "the replica hears nothing", 200, 20)
	old.Stop()
	now := g.AwaitFailover(old)
	w.happens(t, "after the master died", 200, 20)
	old.Restart()
	old.Follow(now)
	// The sentinels make the new master before they tell the old one. As long as both write, it is a split brain; an old
	// master that writes nothing confirms nothing (OPERATIONS, "A failover by command").
	now.Must("CLIENT", "PAUSE", "30000", "WRITE")
	eventuallyWithin(t, 20*time.Second, func() error {
		_, err := g.Sentinels[0].Do("SENTINEL", "FAILOVER", testredis.MasterName)
		return err // until the sentinels have seen the replica, there is none to choose
	})
	g.AwaitFailover(now)
	w.happens(t, "after a failover by command", 200, 20)
	stop()
	w.rest(t)
}
