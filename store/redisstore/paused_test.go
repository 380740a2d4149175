package redisstore_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// slack is by how much a caller may be late: the machine runs other tests too.
const slack = 60 * time.Millisecond

// A server that hangs costs a caller its budget and no more, however many callers there are, and whatever timeouts the
// client has.
func TestBudgetsHoldWhileTheServerHangs(t *testing.T) {
	// Not parallel: it measures time.
	for _, row := range []struct {
		name    string
		options func(o *redis.UniversalOptions)
	}{
		{"with our options", func(*redis.UniversalOptions) {}},
		{"with the client's defaults", func(o *redis.UniversalOptions) {
			*o = redis.UniversalOptions{Addrs: o.Addrs, ReadTimeout: 700 * time.Millisecond}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := testredis.Start(t)
			o := redisstore.Options(server.Addr())
			row.options(o)
			client := redis.NewUniversalClient(o)
			t.Cleanup(func() { _ = client.Close() })
			s := redisstore.New(client, redisstore.Config{Namespace: namespace()})
			t.Cleanup(func() { _ = s.Close() })
			eventually(t, func() error { _, err := s.Lookup(t.Context(), "k"); return err })
			f := look(t, s, "k").Fence
			server.Pause()
			record := store.Record{Value: []byte("v"), TTL: time.Hour, Fence: f}
			hang(t, 50*time.Millisecond, func(ctx context.Context) error {
				_, err := s.Lookup(ctx, "k", "l")
				return err
			})
			hang(t, 20*time.Millisecond, func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				_, err := s.Lookup(ctx, "k")
				return err
			})
			var unknown atomic.Int64
			hang(t, 100*time.Millisecond, func(ctx context.Context) error {
				v, err := s.Store(ctx, "k", record)
				switch {
				case v == store.Unknown:
					unknown.Add(1)
				case v != store.Refused || !strings.Contains(err.Error(), "than there are connections"):
					t.Errorf("Store = %v (%v), want unknown, or refused if too many are under way", v, err)
				}
				return err
			})
			if n, pool := int(unknown.Load()), 10*runtime.GOMAXPROCS(0); n < min(pool, 64) {
				t.Errorf("%d stores are unknown, want %d: as many as there are connections", n, min(pool, 64))
			}
			hang(t, 500*time.Millisecond, func(ctx context.Context) error { return s.Evict(ctx, "a") })
			server.Resume()
			eventually(t, func() error { _, err := s.Lookup(t.Context(), "k"); return err })
		})
	}
}

// hang has 64 callers do what cannot be done now, and wants each back in time with an error that says so.
func hang(t *testing.T, budget time.Duration, do func(context.Context) error) {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			start := time.Now()
			err := do(context.Background())
			d := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			if took = append(took, d); err == nil {
				t.Error("no error although nothing answered")
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	t.Logf("budget %v: median %v, worst %v", budget, took[len(took)/2], took[len(took)-1])
	if worst := took[len(took)-1]; worst > budget+slack {
		t.Errorf("budget %v: the worst of 64 callers waited %v", budget, worst)
	}
}

// A caller that goes is not kept, and what it had begun is carried out.
func TestCancelledEvictionIsCarriedOut(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s := open(t, patientClient(t, server), redisstore.Config{})
	put(t, s, "k", "v", "a")
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Evict(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Evict = %v, want the context's error", err)
	}
	server.Resume()
	eventually(t, func() error {
		if look(t, s, "k").Record != nil {
			return errors.New("the eviction was given up")
		}
		return nil
	})
}

// A server that is not there costs no time at all, and when it comes the store works.
func TestServerDown(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	server.Stop()
	s := redisstore.New(dial(t, server), redisstore.Config{Namespace: namespace()})
	t.Cleanup(func() { _ = s.Close() })
	for range 3 {
		if found, err := s.Lookup(t.Context(), "k"); err == nil || found != nil {
			t.Errorf("Lookup = %v (%v), want an error", found, err)
		}
	}
	if err := s.Evict(t.Context(), "a"); err == nil {
		t.Error("an eviction is confirmed although nobody heard of it")
	}
	if g := s.Grade(); g.String() != "unknown" {
		t.Errorf("the grade is %q", g)
	}
	server.Restart()
	eventually(t, func() error { _, err := s.Lookup(t.Context(), "k"); return err })
	if g := s.Grade(); g != redisstore.GradeExact {
		t.Errorf("the grade is %q", g)
	}
}
