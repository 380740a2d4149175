package redisstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

const clusterShards = 8

// onCluster returns a store as an application has it, behind a breaker.
func onCluster(t *testing.T, ns string, nodes []*testredis.Server) (*breaker.Breaker, *redisstore.Store) {
	t.Helper()
	near := redisstore.New(dial(t, nodes...), redisstore.Config{Namespace: ns, Shards: clusterShards, Lease: time.Millisecond})
	guard := breaker.New(near, breaker.Config{})
	t.Cleanup(func() { _ = guard.Close() })
	return guard, near
}

// TestI1_AMasterOfThreeIsStopped wants what lies on the others to be found where the cluster allows it, evictions to be
// queued, and nothing that was evicted to be found when the third is back.
func TestI1_AMasterOfThreeIsStopped(t *testing.T) {
	t.Parallel()
	for name, coverage := range map[string]string{"the others go on": "no", "the others refuse as well": "yes"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := testredis.StartCluster(t, 3, "--cluster-require-full-coverage", coverage)
			ns := namespace()
			guard, near := onCluster(t, ns, nodes)
			eventually(t, func() error { return guard.Evict(t.Context(), "warm") })
			const keys = 48
			key := func(i int) string { return fmt.Sprint("k", i) }
			for i := range keys {
				eventually(t, func() error { return fill(guard, key(i), "old", "a") })
			}
			stopped := testredis.Owner(nodes, nodes[0].Slot("{"+ns+":0}"))
			stopped.Stop()
			if coverage == "yes" {
				awaitClusterDown(t, nodes, stopped)
			}
			found, refused := 0, 0
			for i := range keys {
				switch f, err := near.Lookup(t.Context(), key(i)); {
				case err != nil:
					refused++
				case f[0].Record != nil:
					found++
				}
			}
			t.Logf("of %d keys %d are found, %d refused", keys, found, refused)
			if refused == 0 || coverage == "no" && found == 0 || coverage == "yes" && found > 0 {
				t.Errorf("of %d keys %d are found, %d refused", keys, found, refused)
			}
			if err := guard.Evict(t.Context(), "a"); !errors.Is(err, store.ErrEvictionPending) {
				t.Errorf("Evict = %v, want one that is queued", err)
			}
			for i := range keys {
				if f, err := guard.Lookup(t.Context(), key(i)); err == nil && f[0].Record != nil {
					t.Fatalf("%s is found although its eviction is queued", key(i))
				}
			}
			stopped.Restart()
			began := time.Now()
			eventuallyWithin(t, 30*time.Second, func() error {
				if n := guard.Pending(); n > 0 {
					return fmt.Errorf("%d evictions are queued", n)
				}
				return nil
			})
			t.Logf("confirmed %v after the master was back", time.Since(began).Round(time.Millisecond))
			for i := range keys {
				eventuallyWithin(t, 30*time.Second, func() error { return missing(near, key(i)) })
				eventuallyWithin(t, 30*time.Second, func() error { return fill(guard, key(i), "new", "a") })
				hit(t, near, key(i), "new")
			}
		})
	}
}

// awaitClusterDown waits until the others have noticed that a master is gone, and refuse to work without it.
func awaitClusterDown(t *testing.T, nodes []*testredis.Server, stopped *testredis.Server) {
	t.Helper()
	for _, n := range nodes {
		if n == stopped {
			continue
		}
		eventuallyWithin(t, 20*time.Second, func() error {
			if _, err := n.Do("GET", "x"); err == nil || err.Error()[:min(11, len(err.Error()))] != "CLUSTERDOWN" {
				return fmt.Errorf("%s does not refuse: %w", n.Addr(), err)
			}
			return nil
		})
	}
}

// TestI1_SlotsMigrate has two instances read and write while the slots of all shards go to another master and back, a key at
// a time: what asks then is sent elsewhere, asked to try again, or finds half of what it needs.
func TestI1_SlotsMigrate(t *testing.T) {
	t.Parallel()
	nodes := testredis.StartCluster(t, 3)
	ns := namespace()
	var w world
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	guards := make([]*breaker.Breaker, 2)
	for i := range guards {
		guards[i], _ = onCluster(t, ns, nodes)
		for range 3 {
			w.work(ctx, 3*time.Millisecond, func() { w.read(guards[i], rand.IntN(faultKeys)) })
		}
		w.work(ctx, 15*time.Millisecond, func() { w.write(guards[i], rand.IntN(faultKeys)) })
	}
	w.happens(t, "before", 100, 10)
	refused := w.refused.Load()
	for range 2 {
		for shard := range clusterShards {
			slot := nodes[0].Slot(fmt.Sprintf("{%s:%d}", ns, shard))
			from := testredis.Owner(nodes, slot)
			to := nodes[0]
			if from == to {
				to = nodes[1]
			}
			testredis.Migrate(nodes, slot, from, to, func() { time.Sleep(20 * time.Millisecond) })
		}
		w.happens(t, "migrated", 100, 10)
	}
	stop()
	w.rest(t)
	if w.refused.Load() == refused {
		t.Error("no eviction met a slot on its way: the test proves nothing")
	}
	for i, guard := range guards {
		eventuallyWithin(t, 30*time.Second, func() error {
			if n := guard.Pending(); n > 0 {
				return fmt.Errorf("%d: %d evictions are queued", i, n)
			}
			return nil
		})
	}
	w.settled(t, guards)
}

// settled wants nothing to be found that is older than the newest version, once all evictions are confirmed.
func (w *world) settled(t *testing.T, guards []*breaker.Breaker) {
	t.Helper()
	for i, guard := range guards {
		for key := range faultKeys {
			record, _ := name(key)
			eventuallyWithin(t, 30*time.Second, func() error {
				found, err := guard.Lookup(t.Context(), record)
				if err != nil {
					return err
				}
				if r := found[0].Record; r != nil && binary.BigEndian.Uint64(r.Value) < w.version[key].Load() {
					t.Errorf("%d: of key %d version %d is found, %d was evicted and confirmed", i, key,
						binary.BigEndian.Uint64(r.Value), w.version[key].Load())
				}
				return nil
			})
		}
	}
}
