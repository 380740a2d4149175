package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// TestI10_CloseEndsTheSweeper runs in a bubble, which ends in a deadlock if a goroutine is left.
func TestI10_CloseEndsTheSweeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			s := memstore.New(memstore.Config{SweepEvery: time.Millisecond})
			if memstore.Swept(s) {
				t.Error("there is no sweeper")
			}
			_ = s.Close()
			if !memstore.Swept(s) {
				t.Error("Close returned before the sweeper had ended")
			}
		}
	})
}

// TestI10_CloseAtWork closes a store that is full, has swept, and has more to sweep, from several goroutines at once.
func TestI10_CloseAtWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Config{})
		fill(t, s, 5000, 10, "all")
		time.Sleep(time.Hour - time.Minute)
		evict(t, s, "all")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
				if !memstore.Swept(s) || s.Stats().Entries != 0 {
					t.Errorf("Close returned, and %d records are left", s.Stats().Entries)
				}
			})
		}
		wg.Wait()
	})
}

// TestI10_CloseEndsASweepHalfWay closes a store while its sweeper is busy all the time.
func TestI10_CloseEndsASweepHalfWay(t *testing.T) {
	t.Parallel()
	s := memstore.New(memstore.Config{SweepEvery: time.Millisecond})
	fill(t, s, 20*memstore.Batch, 10, "all")
	for i := range 100 {
		evict(t, s, fmt.Sprint(i))
	}
	_ = s.Close()
	audit(t, s)
}

func TestTheSweeperDropsWhatNobodyAsksFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.Config{SweepEvery: time.Minute})
		fill(t, s, 3*memstore.Batch*16, 10, "all") // several batches a shard
		evict(t, s, "product:1", "product:2")
		n := s.Stats().Entries
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.Stats().Entries; got != n-2 {
			t.Errorf("%d records after a sweep, want %d: two are evicted", got, n-2)
		}
		audit(t, s)
		time.Sleep(time.Hour)
		synctest.Wait()
		stats := s.Stats()
		if stats.Entries != 0 || int64(stats.Drops["expired"]) != n-2 {
			t.Errorf("%d records, %d dropped as expired, want none and %d", stats.Entries, stats.Drops["expired"], n-2)
		}
		audit(t, s)
	})
}

// TestSweepDropsNow: what was evicted is gone when Sweep returns, without waiting for the sweeper's time.
func TestSweepDropsNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.Config{SweepEvery: 24 * time.Hour})
		fill(t, s, 3*memstore.Batch*16, 10, "all")
		n := s.Stats().Entries
		evict(t, s, "product:1", "product:2")
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.Stats().Entries; got != n-2 {
			t.Errorf("%d records after a sweep, want %d: two are evicted", got, n-2)
		}
		audit(t, s)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Sweep(gone); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		_ = s.Close()
		if err := s.Sweep(t.Context()); err == nil {
			t.Error("a closed store swept")
		}
	})
}

// TestAFullFenceTableWakesTheSweeper: what it has compared is not over-evicted by a floor.
func TestAFullFenceTableWakesTheSweeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.Config{MaxBytes: 64 << 10, SweepEvery: 24 * time.Hour})
		put(t, s, "k", []byte("v"), "a")
		for i := range 1000 {
			evict(t, s, fmt.Sprint(i))
			synctest.Wait()
		}
		if _, floor := memstore.Generations(s); floor == 0 {
			t.Error("the table never overflowed")
		}
		if !has(s, "k") {
			t.Error("over-evicted")
		}
	})
}

func TestAnExpiredRecordIsDroppedOnSight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.Config{SweepEvery: 24 * time.Hour})
		put(t, s, "k", []byte("v"), "a")
		put(t, s, "l", []byte("v"), "a")
		time.Sleep(time.Hour - time.Nanosecond)
		if !has(s, "k") {
			t.Error("gone before its time")
		}
		time.Sleep(time.Nanosecond)
		if has(s, "k") || s.Stats().Entries != 1 || s.Stats().Drops["expired"] != 1 {
			t.Errorf("an hour later: found %v, %+v", has(s, "k"), s.Stats())
		}
		audit(t, s)
	})
}

// TestTheSpaceOfTheDeadGoesFirst: SIEVE's hand takes what is expired or evicted before anything that is in use.
func TestTheSpaceOfTheDeadGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.Config{MaxBytes: 64 << 10, Shards: 1, SweepEvery: 24 * time.Hour})
		r := store.Record{Value: make([]byte, 1000), TTL: time.Second, Fence: fence(t, s)}
		for i := range 20 {
			if v, err := s.Store(t.Context(), fmt.Sprint("short", i), r); v != store.Stored {
				t.Fatal(v, err)
			}
			has(s, fmt.Sprint("short", i))
		}
		time.Sleep(time.Second)
		for i := range 40 {
			put(t, s, fmt.Sprint("long", i), make([]byte, 1000))
		}
		stats := s.Stats()
		if stats.Drops["space"] != 0 || stats.Drops["expired"] == 0 {
			t.Errorf("dropped: %v, want only what is expired", stats.Drops)
		}
		audit(t, s)
	})
}

// TestI10_NothingIsLeftByAStoreDuringClose: what was judged before Close and is kept after it would never go.
func TestI10_NothingIsLeftByAStoreDuringClose(t *testing.T) {
	t.Parallel()
	for range 30 {
		s := memstore.New(memstore.Config{Shards: 1})
		f := fence(t, s)
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					r := store.Record{Value: make([]byte, 10), TTL: time.Hour, Fence: f}
					if v, _ := s.Store(t.Context(), fmt.Sprint(worker, i), r); v == store.Refused {
						return
					}
				}
			})
		}
		for s.Stats().Entries < 1000 {
			runtime.Gosched()
		}
		_ = s.Close()
		wg.Wait()
		if n := s.Stats().Entries; n != 0 {
			t.Fatalf("%d records are left", n)
		}
		audit(t, s)
	}
}

// TestWritersDuringARebuild writes between any two steps of a pass that copies into a smaller map: before the cursor,
// behind it, and at it.
func TestWritersDuringARebuild(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{Shards: 1, SweepEvery: 24 * time.Hour})
	const all, stay = 100 * memstore.Batch, 20 * memstore.Batch
	want := map[string]string{}
	for i := range all {
		tag := "goes"
		if i%(all/stay) == 0 {
			tag = "stays"
			want[key(i)] = "v"
		}
		put(t, s, key(i), []byte("v"), tag)
	}
	evict(t, s, "goes")
	memstore.Sweep(s) // drops the most, so that the next pass finds the map too large
	memstore.BeginPass(s)
	if !memstore.Rebuilding(s) {
		t.Fatal("the map is not being rebuilt")
	}
	remove := func(k string) {
		if err := s.Delete(t.Context(), k); err != nil {
			t.Error(err)
		}
		delete(want, k)
	}
	write := func(k, v string) {
		put(t, s, k, []byte(v), "stays")
		want[k] = v
	}
	steps := 0
	for memstore.SweepBatch(s) {
		steps++
		remove(memstore.Cursor(s))
		write(fmt.Sprint("new", steps), "n")
		write(fmt.Sprint("new and gone", steps), "n")
		remove(fmt.Sprint("new and gone", steps))
		oldest, newest := key(steps*(all/stay)), key(all-steps*(all/stay))
		write(oldest, "o")
		remove(key(2 * steps * (all / stay)))
		write(newest, "o")
		remove(key(all - 2*steps*(all/stay)))
		audit(t, s)
	}
	if steps < 10 || memstore.Rebuilding(s) {
		t.Errorf("the pass took %d steps, and goes on: %v", steps, memstore.Rebuilding(s))
	}
	audit(t, s)
	if n := s.Stats().Entries; n != int64(len(want)) {
		t.Errorf("%d records, want %d", n, len(want))
	}
	for k, v := range want {
		if held, _, ok := s.Peek([]byte(k)); !ok || string(held.Record().Value) != v {
			t.Errorf("%q: found %v", k, ok)
		}
	}
}

// TestI8_MapsShrink: a Go map keeps its room for ever, so the sweeper builds a smaller one, while readers read and
// writers write.
func TestI8_MapsShrink(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{Shards: 4, SweepEvery: time.Millisecond})
	keys := fill(t, s, 20_000, 10, "all")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			put(t, s, fmt.Sprint("new", i%500), []byte("v"), "kept")
			if !has(s, fmt.Sprint("new", i%500)) {
				t.Errorf("new%d is lost", i%500)
				return
			}
			_ = s.Delete(t.Context(), fmt.Sprint("new", (i+250)%500))
		}
	})
	put(t, s, "stays", []byte("v"), "kept")
	evict(t, s, "all")
	for memstore.Capacity(s) > 5000 {
		if !has(s, "stays") {
			t.Fatal("lost while the map was rebuilt")
		}
		runtime.Gosched()
	}
	close(stop)
	wg.Wait()
	if has(s, keys[0]) || !has(s, "stays") {
		t.Error("the rebuilt map does not hold what it should")
	}
	_ = s.Close()
	audit(t, s)
}
