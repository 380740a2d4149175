package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// TestI1HoldAfterANewEpoch wants an eviction to be confirmed only when the epoch has been known for the hold, whether or not
// the server has replicas now: a master that was promoted just now may have none yet.
func TestI1HoldAfterANewEpoch(t *testing.T) {
	t.Parallel()
	const hold = 400 * time.Millisecond
	server := testredis.Start(t)
	s := open(t, patientClient(t, server), redisstore.Config{SplitBrainHold: hold})
	evictions := map[string]func() error{
		"Evict":    func() error { return s.Evict(t.Context(), "a") },
		"Delete":   func() error { return s.Delete(t.Context(), "k") },
		"EvictAll": func() error { return s.EvictAll(t.Context()) },
		"Replace": func() error {
			r := store.Record{Value: []byte("v"), Tags: []string{"a"}, TTL: time.Hour, Fence: look(t, s, "k").Fence}
			_, err := s.Replace(t.Context(), "k", r, "a")
			return err
		},
	}
	for _, what := range []string{"the first epoch", "another epoch"} {
		server.Must("FLUSHALL")
		began := time.Now() // of no later than the epoch
		for name, evict := range evictions {
			err := evict()
			if early := time.Since(began) < hold; early && (err == nil || !strings.Contains(err.Error(), "an old master")) {
				t.Errorf("%s, %s: it was confirmed before the hold was over (%v)", what, name, err)
			}
		}
		eventually(t, evictions["Evict"])
		if took := time.Since(began); took < hold {
			t.Errorf("%s: confirmed after %v, want %v at least", what, took, hold)
		}
		for name, evict := range evictions {
			if err := evict(); err != nil {
				t.Errorf("%s, %s: %v", what, name, err)
			}
		}
	}
}

// TestI1HoldWantsCopies has the replica of a master hear nothing more: what is evicted may be lost, and is not confirmed.
func TestI1HoldWantsCopies(t *testing.T) {
	t.Parallel()
	master, replica := testredis.StartPair(t)
	master.Must("CONFIG", "SET", "min-replicas-to-write", "1")
	for _, shards := range []int{1, 3} {
		c := redisstore.Config{SplitBrainHold: time.Millisecond, Lease: time.Millisecond, Shards: shards, Namespace: namespace()}
		s := open(t, patientClient(t, master), c)
		eventually(t, func() error { return s.Evict(t.Context(), "a") })
		replica.Pause()
		evict(t, open(t, patientClient(t, master), redisstore.Config{Namespace: c.Namespace, Shards: shards}), "a")
		c.EvictTimeout = time.Second
		hasty := redisstore.New(patientClient(t, master), c)
		t.Cleanup(func() { _ = hasty.Close() })
		if hasty.Evict(t.Context(), "a") == nil {
			t.Errorf("%d shards: it was confirmed although the replica hears nothing", shards)
		}
		replica.Resume()
		eventually(t, func() error { return hasty.Evict(t.Context(), "a") })
	}
}
