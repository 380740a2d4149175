package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/storetest"
	"github.com/echocache/echocache/store/tiered"
)

// front returns memory in front of a store, once it has a lease. The store ends with it.
func front(tb testing.TB, s *redisstore.Store, c tiered.Config) *tiered.Store {
	tb.Helper()
	f := tiered.New(memstore.New(memstore.Config{}), s, c)
	if err := f.Check(); err != nil {
		tb.Fatal(err)
	}
	for began := time.Now(); !f.Info().Leased; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			tb.Fatalf("no lease: %+v", f.Info())
		}
	}
	return f
}

// The contract holds with memory in front, however it is kept.
func TestContractTiered(t *testing.T) {
	t.Parallel()
	for _, mode := range []tiered.Mode{tiered.Lease, tiered.Bounded} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			client := patientClient(t, testredis.Start(t))
			storetest.Harness{
				Sleep: time.Sleep,
				Open: func(t *testing.T) store.Backend {
					t.Helper()
					// A lease that a busy machine can keep, and short enough to wait for: each first eviction does.
					s := redisstore.New(client, patient(redisstore.Config{Namespace: namespace(), Lease: 300 * time.Millisecond}))
					return front(t, s, tiered.Config{Mode: mode, Lease: 300 * time.Millisecond})
				},
			}.Run(t)
		})
	}
}

// process is one of several that share a server, as it would be deployed.
func process(tb testing.TB, client redis.UniversalClient, ns string, shards int) *tiered.Store {
	tb.Helper()
	f := front(tb, redisstore.New(client, patient(redisstore.Config{Namespace: ns, Shards: shards})), tiered.Config{})
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// An eviction anywhere is an eviction everywhere: by a process with memory, without, and on several shards.
func TestI1_AnEvictionReachesTheMemoryOfOthers(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	for _, shards := range []int{1, 4} {
		ns := namespace()
		a, b := process(t, client, ns, shards), process(t, client, ns, shards)
		only := open(t, client, redisstore.Config{Namespace: ns, Shards: shards})
		for i := range 20 {
			key := fmt.Sprint("k", i)
			put(t, a, key, "v", "tag", "other")
			eventually(t, func() error { // on a busy machine a lease may be over for a moment
				hit(t, b, key, "v")
				if _, _, ok := b.Peek([]byte(key)); !ok {
					return errors.New("it is not in memory")
				}
				return nil
			})
			switch i % 4 {
			case 0:
				evict(t, a, "tag")
			case 1:
				evict(t, only, "more", "other")
			case 2:
				if err := only.Delete(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			default:
				f := look(t, a, key).Fence
				_, err := a.Replace(t.Context(), key, store.Record{Value: []byte("w"), TTL: time.Hour, Fence: f}, "tag")
				if err != nil {
					t.Fatal(err)
				}
			}
			for name, s := range map[string]*tiered.Store{"a": a, "b": b} {
				if held, _, ok := s.Peek([]byte(key)); ok && string(held.Record().Value) == "v" {
					t.Errorf("%d shards, %d: it is still in the memory of %s", shards, i, name)
				}
				if r := look(t, s, key).Record; r != nil && string(r.Value) == "v" {
					t.Errorf("%d shards, %d: %s still finds it", shards, i, name)
				}
			}
		}
	}
}

// A hit in memory is no trip, and what was told by a poll is not asked again.
func TestAHitInMemoryIsNoTrip(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	s := redisstore.New(client, patient(redisstore.Config{Namespace: namespace(), Lease: 10 * time.Second}))
	f := front(t, s, tiered.Config{Lease: 10 * time.Second})
	t.Cleanup(func() { _ = f.Close() })
	put(t, f, "k", "v", "tag")
	before := s.Info().Trips
	for range 100 {
		hit(t, f, "k", "v")
		if _, _, ok := f.Peek([]byte("k")); !ok {
			t.Fatal("it is not in memory")
		}
	}
	if n := s.Info().Trips - before; n != 0 {
		t.Errorf("%d trips for hits in memory", n)
	}
}

// A lost clock is a new epoch, and memory forgets what came before.
func TestI1_MemoryForgetsWithTheClock(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	a := process(t, client, ns, 1)
	put(t, a, "k", "v", "tag")
	if err := client.Del(t.Context(), "{"+ns+":0}:m").Err(); err != nil {
		t.Fatal(err)
	}
	only := open(t, client, redisstore.Config{Namespace: ns, Shards: 1})
	evict(t, only, "tag") // it does not know who holds leases, and waits
	if _, _, ok := a.Peek([]byte("k")); ok {
		t.Error("memory answers with what was evicted")
	}
	miss(t, a, "k")
}

// Who is told of an eviction has yet to carry it out: only the next question says that it has.
func TestI1_ToBeToldIsNotToHaveDoneIt(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	const lease = time.Second
	evictor, other := open(t, client, redisstore.Config{Namespace: ns, Lease: lease}), open(t, client, redisstore.Config{Namespace: ns, Lease: lease})
	evict(t, evictor, "warm") // from here on it waits for holders only
	ask := func(seen []store.Fence) []store.Fence {
		t.Helper()
		news, err := other.Poll(t.Context(), "holder", lease, seen)
		if err != nil {
			t.Fatal(err)
		}
		return []store.Fence{news[0].Fence}
	}
	seen := ask(nil)
	returned := make(chan error, 1)
	go func() { returned <- evictor.Evict(context.WithoutCancel(t.Context()), "a") }()
	now := seen
	for now[0].Tick == seen[0].Tick { // until it is told
		now = ask(seen)
	}
	select {
	case err := <-returned:
		t.Fatalf("the eviction counts as carried out by who was told of it just now (%v)", err)
	case <-time.After(lease / 2):
	}
	ask(now)
	began := time.Now()
	if err := <-returned; err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > lease/4 {
		t.Errorf("it waited %v although it was told that it is carried out", d)
	}
}

// A failover in the middle of an eviction, to a replica that has heard nothing since an earlier epoch: what the holder said
// then, of ticks that were higher, is no answer.
func TestI1_AnAnswerOfAnotherEpochIsNone(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	client := patientClient(t, server)
	ns := namespace()
	const lease = time.Second
	evictor, other := open(t, client, redisstore.Config{Namespace: ns, Lease: lease}), open(t, client, redisstore.Config{Namespace: ns, Lease: lease})
	evict(t, evictor, "warm") // from here on it waits for holders only
	began := time.Now()
	if _, err := other.Poll(t.Context(), "holder", lease, nil); err != nil {
		t.Fatal(err)
	}
	returned := make(chan error, 1)
	clock := "{" + ns + ":0}:m"
	before := server.Must("HGET", clock, "c")
	go func() { returned <- evictor.Evict(context.WithoutCancel(t.Context()), "a") }()
	eventually(t, func() error {
		if server.Must("HGET", clock, "c") == before {
			return errors.New("it has not begun")
		}
		return nil
	})
	server.Must("HSET", clock, "e", strings.Repeat("0", 32), "r:holder", "999:7:1000")
	if err := <-returned; err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d < lease {
		t.Errorf("the eviction returned %v after the holder had asked, whose lease is %v", d, lease)
	}
}

// A process that does not ask any more is waited for once.
func TestADeadProcessIsForgotten(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	a, dead := process(t, client, ns, 1), process(t, client, ns, 1)
	put(t, a, "k", "v", "tag")
	evict(t, a, "tag")
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	evict(t, a, "tag")
	if d := time.Since(began); d < tiered.DefaultLease {
		t.Errorf("an eviction waited %v for a process that was not heard of", d)
	}
	began = time.Now()
	evict(t, a, "tag")
	if d := time.Since(began); d > tiered.DefaultLease {
		t.Errorf("the next eviction waited %v", d)
	}
}

// Several processes read, fill, write and evict at once. Nobody finds a version older than the last that was written
// before they asked. mode is how the readers keep their memory.
func TestI1_ManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	readers := []store.Backend{
		process(t, client, ns, 2), process(t, client, ns, 2),
		open(t, client, redisstore.Config{Namespace: ns, Shards: 2}),
	}
	writer := open(t, client, redisstore.Config{Namespace: ns, Shards: 2})
	const keys = 4
	var source, confirmed [keys]atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var reads, hits, writes atomic.Int64
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				k := rand.IntN(keys)
				version := source[k].Add(1)
				if writer.Evict(context.WithoutCancel(ctx), fmt.Sprint("row:", k)) == nil {
					raise(&confirmed[k], version)
					writes.Add(1)
				}
				time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
			}
		})
	}
	for _, r := range readers {
		for range 3 {
			all.Go(func() {
				for ctx.Err() == nil {
					k := rand.IntN(keys)
					key, least := fmt.Sprint("k", k), confirmed[k].Load()
					found, err := r.Lookup(context.WithoutCancel(ctx), key)
					if err != nil {
						continue
					}
					reads.Add(1)
					if found[0].Record != nil {
						hits.Add(1)
						if v, _ := strconv.ParseInt(string(found[0].Record.Value), 10, 64); v < least {
							t.Errorf("version %d was found, %d had been written before", v, least)
						}
						continue
					}
					version := source[k].Load()
					time.Sleep(time.Duration(rand.IntN(2)) * time.Millisecond)
					_, _ = r.Store(context.WithoutCancel(ctx), key, store.Record{
						Value: strconv.AppendInt(nil, version, 10), Tags: []string{fmt.Sprint("row:", k)},
						TTL: time.Hour, Fence: found[0].Fence,
					})
				}
			})
		}
	}
	all.Wait()
	t.Logf("%d reads, %d hits, %d writes", reads.Load(), hits.Load(), writes.Load())
	if hits.Load() == 0 || writes.Load() == 0 {
		t.Error("nothing happened")
	}
}

func raise(v *atomic.Int64, to int64) {
	for {
		is := v.Load()
		if is >= to || v.CompareAndSwap(is, to) {
			return
		}
	}
}

// EvictAll forgets everything, fills under way and memory included, and nothing that comes after.
func TestI1_EvictAll(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	for _, shards := range []int{1, 3} {
		ns := namespace()
		a := process(t, client, ns, shards)
		s := open(t, client, redisstore.Config{Namespace: ns, Shards: shards})
		for i := range 6 {
			put(t, a, fmt.Sprint("k", i), "v", fmt.Sprint("tag", i))
		}
		under := miss(t, s, "under way")
		evict(t, s, "unrelated") // the table is not empty
		if err := s.EvictAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 6 {
			if _, _, ok := a.Peek(fmt.Append(nil, "k", i)); ok {
				t.Error("it is still in memory")
			}
			miss(t, a, fmt.Sprint("k", i))
		}
		offer(t, s, store.Fenced, "under way", "v", under)
		put(t, a, "k0", "w", "tag0")
		hit(t, s, "k0", "w")
		evict(t, s, "tag0")
		miss(t, a, "k0")
	}
}
