package soak_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// patientStore is a process of its own on a server, which no fault but those of the test makes late.
func patientStore(t *testing.T, server *testredis.Server) *redisstore.Store {
	t.Helper()
	o := redisstore.Options(server.Addr())
	const long = 5 * time.Second
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = long, long, long, long
	client := redis.NewUniversalClient(o)
	s := redisstore.New(client, redisstore.Config{
		Namespace: namespace, LookupTimeout: long, StoreTimeout: long, EvictTimeout: long,
	})
	t.Cleanup(func() {
		_ = s.Close()
		_ = client.Close()
	})
	// From here on it knows the epoch for longer than any lease, and waits only for holders.
	if err := s.Evict(t.Context(), "warm"); err != nil {
		t.Fatal(err)
	}
	return s
}

// poll asks for news as a holder, and returns when its lease is over, and what it was told.
func poll(t *testing.T, s *redisstore.Store, holder string, seen []store.Fence) (over time.Time, now []store.Fence) {
	t.Helper()
	over = time.Now().Add(tiered.DefaultLease)
	news, err := s.Poll(t.Context(), holder, tiered.DefaultLease, seen)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range news {
		now = append(now, n.Fence)
	}
	return over, now
}

// mustWait wants an eviction not to return before a holder's lease is over.
func mustWait(t *testing.T, s *redisstore.Store, over time.Time) {
	t.Helper()
	if err := s.Evict(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	if early := time.Until(over); early > 0 {
		t.Errorf("an eviction returned %v before the lease was over of a holder that has not heard of it", early)
	}
}

// TestI1_AHolderThatIsSlowIsNotForgotten has a holder ask again while an eviction waits for it, without acknowledging
// that: the answer to its last question is late. It may keep records in memory from then on, so the next eviction has
// to wait as well.
func TestI1_AHolderThatIsSlowIsNotForgotten(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	evictor, other := patientStore(t, server), patientStore(t, server)
	_, seen := poll(t, other, "slow", nil)
	first := make(chan error, 1)
	go func() { first <- evictor.Evict(context.Background(), "first") }()
	time.Sleep(200 * time.Millisecond)
	over, _ := poll(t, other, "slow", seen) // told of "first", as of now
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	mustWait(t, evictor, over)
}

// TestI1_AHolderOfANewEpochIsNotForgotten has the clock lost while an eviction waits for a holder, who then asks and
// acknowledges as it should, in the new epoch, whose ticks are lower.
func TestI1_AHolderOfANewEpochIsNotForgotten(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	evictor, other := patientStore(t, server), patientStore(t, server)
	poll(t, other, "prompt", nil)
	first := make(chan error, 1)
	go func() { first <- evictor.Evict(context.Background(), "first") }()
	time.Sleep(20 * time.Millisecond)
	server.Must("FLUSHALL")
	_, seen := poll(t, other, "prompt", nil)
	_, seen = poll(t, other, "prompt", seen)
	time.Sleep(200 * time.Millisecond) // so that its lease outlasts the first eviction
	over, _ := poll(t, other, "prompt", seen)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	mustWait(t, other, over)
}
