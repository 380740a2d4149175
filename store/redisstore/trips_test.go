package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// counter counts what a client sends: trips, and commands in them.
type counter struct{ trips, commands atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.trips.Add(1)
		c.commands.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.trips.Add(1)
		c.commands.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// spent returns what was sent since it was asked last.
func (c *counter) spent() [2]int64 { return [2]int64{c.trips.Swap(0), c.commands.Swap(0)} }

func TestTrips(t *testing.T) {
	t.Parallel()
	const shards = 4
	client := patientClient(t, testredis.Start(t))
	s := open(t, client, redisstore.Config{Shards: shards})
	// Scripts are loaded and the server is looked at once.
	put(t, s, "warm", "v", "a")
	evict(t, s, "a")
	r := store.Record{Value: []byte("v"), TTL: time.Hour, Fence: look(t, s, "warm").Fence}
	if _, err := s.Replace(t.Context(), "warm", r, "a"); err != nil {
		t.Fatal(err)
	}
	var sent counter
	client.AddHook(&sent)
	for _, row := range []struct {
		name            string
		do              func()
		trips, commands int64
	}{
		{"a miss", func() { miss(t, s, "k") }, 1, 2},
		{"a fill", func() { put(t, s, "k", "v", "a", "b") }, 2, 3},
		{"a hit", func() { hit(t, s, "k", "v") }, 1, 2},
		{"an eviction", func() { evict(t, s, "a", "b", "c") }, 1, shards},
		{"a deletion", func() { _ = s.Delete(t.Context(), "k") }, 1, 1},
		{"a write", func() {
			r := store.Record{Value: []byte("v"), TTL: time.Hour, Fence: look(t, s, "k").Fence}
			_, _ = s.Replace(t.Context(), "k", r, "a")
		}, 2, 2 + shards},
		{"a look-up of many", func() {
			keys := make([]string, 100)
			for i := range keys {
				keys[i] = fmt.Sprint("k", i)
			}
			if _, err := s.Lookup(t.Context(), keys...); err != nil {
				t.Error(err)
			}
		}, 1, 100 + shards},
	} {
		row.do()
		if got := sent.spent(); got != [2]int64{row.trips, row.commands} {
			t.Errorf("%s: %d trips with %d commands, want %d with %d", row.name, got[0], got[1], row.trips, row.commands)
		}
	}
}

// Look-ups that come together travel together, and what several ask for is fetched once.
func TestLookUpsTravelTogether(t *testing.T) {
	t.Parallel()
	const callers = 200
	server := testredis.Start(t)
	client := patientClient(t, server)
	s := open(t, client, redisstore.Config{})
	put(t, s, "k", "v", "a")
	before := s.Info().Trips
	server.Pause()
	done := make(chan error, callers)
	for range callers {
		go func() {
			found, err := s.Lookup(context.Background(), "k")
			if err == nil && (found[0].Record == nil || string(found[0].Record.Value) != "v") {
				err = fmt.Errorf("found %+v", found[0])
			}
			done <- err
		}()
	}
	time.Sleep(100 * time.Millisecond)
	server.Resume()
	for range callers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Info().Trips - before; n > callers/4 {
		t.Errorf("%d look-ups made %d trips", callers, n)
	}
}
