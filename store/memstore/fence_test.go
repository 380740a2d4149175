package memstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// smallest is the least budget there is. Its fence table holds 64 tags in generations of 16.
var smallest = memstore.Config{MaxBytes: 64 << 10}

func TestI1_EvictionBeatsEarlierFill(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		forget func(ctx context.Context, s *memstore.Store) error
		want   store.Verdict
	}{
		{"nothing happens", func(context.Context, *memstore.Store) error { return nil }, store.Stored},
		{"its tag", func(ctx context.Context, s *memstore.Store) error { return s.Evict(ctx, "a") }, store.Fenced},
		{"another tag", func(ctx context.Context, s *memstore.Store) error { return s.Evict(ctx, "b") }, store.Stored},
		{"its key", func(ctx context.Context, s *memstore.Store) error { return s.Delete(ctx, "k") }, store.Fenced},
		{"a tag with its key's name", func(ctx context.Context, s *memstore.Store) error { return s.Evict(ctx, "k") }, store.Stored},
		{"a key with its tag's name", func(ctx context.Context, s *memstore.Store) error { return s.Delete(ctx, "a") }, store.Stored},
		{"many tags, its own among them", func(ctx context.Context, s *memstore.Store) error {
			tags := []string{"a"}
			for i := range 1000 {
				tags = append(tags, fmt.Sprint(i))
			}
			return s.Evict(ctx, tags...)
		}, store.Fenced},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, memstore.Config{})
			ctx := t.Context()
			r := store.Record{Value: []byte("v"), Tags: []string{"a"}, TTL: time.Hour, Fence: fence(t, s)}
			if err := test.forget(ctx, s); err != nil {
				t.Fatal(err)
			}
			if v, err := s.Store(ctx, "k", r); v != test.want || err != nil {
				t.Errorf("Store = %v, %v, want %v", v, err, test.want)
			}
			if got, want := has(s, "k"), test.want == store.Stored; got != want {
				t.Errorf("found: %v, want %v", got, want)
			}
			audit(t, s)
		})
	}
}

// TestI1_FenceTableOverflows evicts more tags than the table can hold, and looks at what is not known any more.
func TestI1_FenceTableOverflows(t *testing.T) {
	t.Parallel()
	s := open(t, smallest)
	room := memstore.FenceRoom(smallest.MaxBytes)
	old := store.Record{Value: []byte("v"), Tags: []string{"a"}, TTL: time.Hour, Fence: fence(t, s)}
	evict(t, s, "a")
	recent := old
	for i := range 10 * room {
		if i == 10*room-room/2 {
			recent.Fence = fence(t, s)
		}
		evict(t, s, fmt.Sprint("other", i))
		if i > room && i < 10*room-1 {
			continue
		}
		if v, _ := s.Store(t.Context(), "k", old); v != store.Fenced {
			t.Fatalf("after %d further evictions: Store = %v, want fenced", i+1, v)
		}
	}
	if _, floor := memstore.Generations(s); floor == 0 {
		t.Error("the table never overflowed")
	}
	if v, err := s.Store(t.Context(), "k", recent); v != store.Stored {
		t.Errorf("a fill during the last half of the table: Store = %v, %v, want stored", v, err)
	}
	audit(t, s)
}

// TestFenceTableForgetsTheOldestQuarter counts what an overflow costs: at least three quarters are always remembered.
func TestFenceTableForgetsTheOldestQuarter(t *testing.T) {
	t.Parallel()
	s := open(t, smallest)
	room := memstore.FenceRoom(smallest.MaxBytes)
	var fences []store.Fence
	for i := range 20 * room {
		fences = append(fences, fence(t, s))
		evict(t, s, fmt.Sprint(i))
		_, floor := memstore.Generations(s)
		if last := uint64(i + 1); floor > 0 && last-floor < uint64(room*3/4) {
			t.Fatalf("after %d evictions the floor is %d: less than %d are remembered", last, floor, room*3/4)
		}
	}
	r := store.Record{Value: []byte("v"), Tags: []string{"a"}, TTL: time.Hour, Fence: fences[len(fences)-room*3/4]}
	if v, err := s.Store(t.Context(), "k", r); v != store.Stored {
		t.Errorf("a fence three quarters of the table old: Store = %v, %v, want stored", v, err)
	}
}

// TestTheSameTagsDoNotFillTheFenceTable evicts a few tags for ever: nothing need be forgotten.
func TestTheSameTagsDoNotFillTheFenceTable(t *testing.T) {
	t.Parallel()
	s := open(t, smallest)
	f := fence(t, s)
	for i := range 10_000 {
		evict(t, s, fmt.Sprint(i%10))
	}
	if used, floor := memstore.Generations(s); used != 1 || floor != 0 {
		t.Errorf("%d generations in use, the floor is %d", used, floor)
	}
	r := store.Record{Value: []byte("v"), Tags: []string{"a"}, TTL: time.Hour, Fence: f}
	if v, _ := s.Store(t.Context(), "k", r); v != store.Stored {
		t.Errorf("Store = %v, want stored", v)
	}
}

// TestARecordInUseOutlivesTheFenceTable reads one record and sweeps another, while the table overflows again and again.
// Only what nobody has compared meanwhile is over-evicted.
func TestARecordInUseOutlivesTheFenceTable(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 64 << 10, SweepEvery: time.Hour})
	put(t, s, "read", []byte("v"), "a")
	for i := range 1000 {
		evict(t, s, fmt.Sprint(i))
		if !has(s, "read") {
			t.Fatalf("lost after %d other evictions", i+1)
		}
	}
	put(t, s, "swept", []byte("v"), "a")
	for i := range 1000 {
		if i%8 == 0 {
			memstore.Sweep(s)
		}
		evict(t, s, fmt.Sprint(i))
	}
	if !has(s, "swept") {
		t.Error("lost although it was swept in time")
	}
	evict(t, s, "a")
	if has(s, "read") || has(s, "swept") {
		t.Error("found although evicted")
	}
	audit(t, s)
}

// TestEpochsDiffer stores with another store's fence.
func TestEpochsDiffer(t *testing.T) {
	t.Parallel()
	one, two := open(t, memstore.Config{}), open(t, memstore.Config{})
	r := store.Record{Value: []byte("v"), TTL: time.Hour, Fence: fence(t, one)}
	if v, err := two.Store(t.Context(), "k", r); v != store.Fenced || err != nil {
		t.Errorf("Store with another store's fence = %v, %v, want fenced", v, err)
	}
	r.Fence = fence(t, two)
	r.Fence.Tick++
	if v, err := two.Store(t.Context(), "k", r); v != store.Fenced || err != nil {
		t.Errorf("Store with a fence from the future = %v, %v, want fenced", v, err)
	}
	if n := two.Stats().Fenced; n != 2 {
		t.Errorf("Stats.Fenced = %d, want 2", n)
	}
}

// TestI1_EvictionBetweenComparisonAndConclusion lets an eviction happen in the only moment in which a comparison is
// already out of date. Chance does not find it.
func TestI1_EvictionBetweenComparisonAndConclusion(t *testing.T) {
	t.Parallel()
	t.Run("at a hit", func(t *testing.T) {
		t.Parallel()
		s := open(t, memstore.Config{})
		put(t, s, "k", []byte("v"), "a")
		evict(t, s, "other") // so that the hit compares
		memstore.AfterComparing(s, func() { evict(t, s, "a") })
		has(s, "k") // concurrent with the eviction: either answer is right
		if has(s, "k") {
			t.Error("found after the eviction")
		}
	})
	t.Run("at a store", func(t *testing.T) {
		t.Parallel()
		s := open(t, memstore.Config{})
		f := fence(t, s)
		memstore.AfterComparing(s, func() { evict(t, s, "a") })
		r := store.Record{Value: []byte("v"), Tags: []string{"a"}, TTL: time.Hour, Fence: f}
		if v, _ := s.Store(t.Context(), "k", r); v != store.Stored {
			t.Fatalf("Store = %v, want stored: it was judged before the eviction", v)
		}
		if has(s, "k") {
			t.Error("found after the eviction")
		}
	})
	t.Run("a hit's fence is no newer than its judgement", func(t *testing.T) {
		t.Parallel()
		s := open(t, memstore.Config{})
		put(t, s, "k", []byte("v"), "a")
		evict(t, s, "other")
		memstore.AfterComparing(s, func() { evict(t, s, "a") })
		found, _ := s.Lookup(t.Context(), "k")
		if found[0].Record == nil {
			t.Fatal("a miss: not what was to be tested")
		}
		// Whoever copies the record with this fence must not keep it beyond the eviction.
		copied := *found[0].Record
		copied.Fence = found[0].Fence
		if v, _ := s.Store(t.Context(), "copy", copied); v != store.Fenced {
			t.Errorf("Store of a copy = %v, want fenced", v)
		}
	})
}

// TestI1_TheClockMovesLast: who sees an eviction's tick on the clock must find its tags in the table.
func TestI1_TheClockMovesLast(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	before := fence(t, s)
	done := memstore.Comparing(s)
	evicted := make(chan struct{})
	go func() {
		defer close(evicted)
		evict(t, s, "a")
	}()
	for range 1000 {
		runtime.Gosched() // the eviction gets as far as it can
		if fence(t, s) != before {
			t.Error("the clock has moved, and the tags cannot have been written")
			break
		}
	}
	done()
	<-evicted
	if fence(t, s) == before {
		t.Error("the clock has not moved")
	}
}

// TestI1_NothingStaleWhileEverythingMoves is the contract's hammer where it hurts this store: so small that records are
// dropped, the fence table overflows, the sweeper runs and the maps are rebuilt, all the time.
func TestI1_NothingStaleWhileEverythingMoves(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 16} {
		t.Run(fmt.Sprintf("shards=%d", shards), func(t *testing.T) {
			t.Parallel()
			m := &mover{Store: open(t, memstore.Config{MaxBytes: 64 << 10, Shards: shards, SweepEvery: time.Millisecond})}
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() { m.work(rand.New(rand.NewPCG(2, uint64(worker)))) })
			}
			wg.Wait()
			if stale := m.stale.Load(); stale > 0 {
				t.Errorf("%d of %d hits were stale", stale, m.hits.Load())
			}
			stats := m.Stats()
			if m.hits.Load() == 0 || stats.Drops["space"] == 0 || stats.Fenced == 0 {
				t.Errorf("%d hits, %d dropped for space, %d fenced: not what was to be tested", m.hits.Load(), stats.Drops["space"], stats.Fenced)
			}
			if _, floor := memstore.Generations(m.Store); floor == 0 {
				t.Error("the fence table never overflowed")
			}
			audit(t, m.Store)
		})
	}
}

// mover writes versions, evicts, and raises floors; see storetest's hammer.
type mover struct {
	*memstore.Store

	versions, floors [64]atomic.Uint64
	hits, stale      atomic.Int64
}

func (m *mover) work(r *rand.Rand) {
	ctx := context.Background()
	for round := range 20_000 {
		n := r.IntN(len(m.versions))
		k, tag := fmt.Sprint("key", n), fmt.Sprint("tag", n)
		switch r.IntN(16) {
		case 0:
			version := m.versions[n].Add(1)
			_ = m.Evict(ctx, tag)
			for {
				floor := m.floors[n].Load()
				if floor >= version || m.floors[n].CompareAndSwap(floor, version) {
					break
				}
			}
		case 1:
			_ = m.Evict(ctx, fmt.Sprint("other", r.IntN(1000)))
		case 2:
			if held, _, ok := m.Peek([]byte(k)); ok {
				held.SetView(round, r.IntN(512))
			}
		default:
			m.read(ctx, r, n, k, tag)
		}
	}
}

func (m *mover) read(ctx context.Context, r *rand.Rand, n int, k, tag string) {
	floor := m.floors[n].Load()
	found, _ := m.Lookup(ctx, k)
	if record := found[0].Record; record != nil {
		m.hits.Add(1)
		if binary.BigEndian.Uint64(record.Value) < floor {
			m.stale.Add(1)
		}
		return
	}
	value := make([]byte, 8+r.IntN(1024))
	binary.BigEndian.PutUint64(value, m.versions[n].Load())
	for range r.IntN(3) {
		runtime.Gosched()
	}
	_, _ = m.Store.Store(ctx, k, store.Record{
		Value: value, Tags: []string{"all", tag}, TTL: time.Duration(1 + r.IntN(1e9)), Fence: found[0].Fence,
	})
}
