package memstore_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

func TestAScanDoesNotWashOutWhatIsInUse(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 1 << 20})
	const hot = 100
	for i := range hot {
		put(t, s, fmt.Sprint("hot", i), make([]byte, 1024), "a")
	}
	for i := range 20_000 {
		has(s, fmt.Sprint("hot", i%hot))
		put(t, s, fmt.Sprint("cold", i), make([]byte, 1024), "a")
	}
	for i := range hot {
		if !has(s, fmt.Sprint("hot", i)) {
			t.Errorf("hot%d is gone", i)
		}
	}
	if n := s.Stats().Drops["space"]; n < 18_000 {
		t.Errorf("%d dropped for space, want nearly all of the scan", n)
	}
	audit(t, s)
}

// TestSieveKeepsWhatIsPopular draws keys as the web does (Zipf) and compares with dropping the oldest, and with the best
// that can be had: to know beforehand which keys are the most popular.
func TestSieveKeepsWhatIsPopular(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 1 << 20})
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 1<<20)
	const draws = 200_000
	room := int((1 << 20) / memstore.Weigh("100000", store.Record{Value: make([]byte, 512)}))
	oldest := make(map[uint64]bool, room)
	var queue []uint64
	sieve, fifo, best := 0, 0, 0
	for range draws {
		n := zipf.Uint64()
		if n < uint64(room) {
			best++
		}
		if oldest[n] {
			fifo++
		} else {
			oldest[n], queue = true, append(queue, n)
			if len(queue) > room {
				delete(oldest, queue[0])
				queue = queue[1:]
			}
		}
		if k := fmt.Sprint(n); has(s, k) {
			sieve++
		} else {
			put(t, s, k, make([]byte, 512))
		}
	}
	ratio := func(hits int) float64 { return float64(hits) / draws }
	t.Logf("%d records: hit ratio %.3f, dropping the oldest %.3f, best %.3f",
		s.Stats().Entries, ratio(sieve), ratio(fifo), ratio(best))
	if ratio(sieve) < 0.92*ratio(best) || ratio(sieve) < 1.1*ratio(fifo) {
		t.Error("not much better than dropping anything")
	}
}

// TestEverythingInUseIsStillBounded marks every record, so that SIEVE finds no victim without a mark.
func TestEverythingInUseIsStillBounded(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 4 << 20, Shards: 1})
	for i := range 20_000 {
		k := fmt.Sprint(i)
		put(t, s, k, make([]byte, 128))
		if !has(s, k) {
			t.Fatalf("%s is gone at once", k)
		}
	}
	audit(t, s)
	if n := s.Stats().Entries; n < 4*memstore.Patience {
		t.Errorf("only %d records: not what was to be tested", n)
	}
}

// TestTheHandLosesPatience: the time for which a shard is locked does not grow with what is in it.
func TestTheHandLosesPatience(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 4 << 20, Shards: 1})
	for i := 0; s.Stats().Drops["space"] == 0; i++ {
		put(t, s, fmt.Sprint(i), make([]byte, 128))
	}
	for i := range 20_000 {
		has(s, fmt.Sprint(i))
	}
	before := memstore.Marked(s)
	if before < 4*memstore.Patience {
		t.Fatalf("only %d marked: not what was to be tested", before)
	}
	put(t, s, "one more", make([]byte, 128))
	if passed := before - memstore.Marked(s); passed > memstore.Patience+1 {
		t.Errorf("the hand passed %d records, want at most %d", passed, memstore.Patience)
	}
}

// TestYesterdaysFavouritesGo: a mark is good for one round of the hand. It comes round because some of what is new is
// asked for again; a pure scan would go through the newer part of the list and leave the older alone, as SIEVE does.
func TestYesterdaysFavouritesGo(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 64 << 10, Shards: 1})
	const few = 20
	for i := range few {
		put(t, s, fmt.Sprint("old", i), make([]byte, 512))
		has(s, fmt.Sprint("old", i))
	}
	for i := range few {
		put(t, s, fmt.Sprint("new", i), make([]byte, 512))
	}
	for i := range 1000 {
		has(s, fmt.Sprint("new", i%few))
		put(t, s, fmt.Sprint("cold", i), make([]byte, 512))
		if i%2 == 0 {
			has(s, fmt.Sprint("cold", i))
		}
	}
	for i := range few {
		if has(s, fmt.Sprint("old", i)) {
			t.Errorf("old%d is still there", i)
		}
		if !has(s, fmt.Sprint("new", i)) {
			t.Errorf("new%d is gone", i)
		}
	}
}

// TestTheHandDoesNotWaitForWhatComesNext lets the hand go all the way to the newest record. From there it has to go to
// the oldest: at the newest it would drop one arrival after the other, and what is old and not used would stay.
func TestTheHandDoesNotWaitForWhatComesNext(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 64 << 10, Shards: 1})
	put(t, s, "old", make([]byte, 512))
	size := s.Stats().Bytes
	n := int(memstore.Budget(s) / size)
	for i := range n - 1 {
		put(t, s, fmt.Sprint(i), make([]byte, 512))
	}
	has(s, "old")
	for i := range n - 2 { // all but the newest
		has(s, fmt.Sprint(i))
	}
	for i := range 2 * n {
		put(t, s, fmt.Sprint("cold", i), make([]byte, 512))
	}
	if has(s, "old") {
		t.Error("still there after the budget went round twice")
	}
}

// TestWhatWasJustStoredIsNotWhatGoes: a caller that is told "stored" finds it, as far as it depends on itself.
func TestWhatWasJustStoredIsNotWhatGoes(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 64 << 10, Shards: 1})
	for i := range 1000 {
		k := fmt.Sprint(i)
		put(t, s, k, make([]byte, 512))
		for j := range i { // all the others are in use
			has(s, fmt.Sprint(j))
		}
		if !has(s, k) {
			t.Fatalf("%s is gone at once", k)
		}
	}
}

// TestSkewNeverRefuses stores records that are as large as the whole budget allows, however many shards share it.
func TestSkewNeverRefuses(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 1 << 20, Shards: 64})
	for i := range 5000 {
		put(t, s, fmt.Sprint("small", i), make([]byte, 10))
	}
	overhead := memstore.Weigh("large", store.Record{})
	size := (memstore.Budget(s) - overhead) &^ (8<<10 - 1)
	put(t, s, "large", make([]byte, size))
	if !has(s, "large") {
		t.Error("stored, and not there")
	}
	audit(t, s)
	r := store.Record{Value: make([]byte, memstore.Budget(s)), TTL: time.Hour, Fence: fence(t, s)}
	if v, err := s.Store(t.Context(), "too large", r); v != store.Refused || err == nil {
		t.Errorf("Store of more than the budget = %v, %v, want refused with an error", v, err)
	}
	if !has(s, "large") {
		t.Error("a refused record drove out another")
	}
	audit(t, s)
}

// TestALargeRecordTakesALittleFromEverywhere: no shard is emptied for what happened to hash into it.
func TestALargeRecordTakesALittleFromEverywhere(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 16 << 20})
	for i := range 50_000 {
		put(t, s, fmt.Sprint(i), make([]byte, 128))
	}
	before := s.Stats().Entries
	put(t, s, "large", make([]byte, 1<<20))
	if after := s.Stats().Entries; after < before*9/10 {
		t.Errorf("%d records before, %d after one of 1/16 of the budget", before, after)
	}
	audit(t, s)
}

func TestOverwritesKeepTheCountExact(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	for i := range 1000 {
		put(t, s, fmt.Sprint(i%7), make([]byte, i), fmt.Sprint(i), "a")
		audit(t, s)
	}
	if n := s.Stats().Entries; n != 7 {
		t.Errorf("%d entries, want 7", n)
	}
	for i := range 7 {
		if err := s.Delete(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	stats := s.Stats()
	if stats.Entries != 0 || stats.Bytes > 7*100 {
		t.Errorf("after all was deleted: %d entries, %d bytes", stats.Entries, stats.Bytes)
	}
	audit(t, s)
}

// TestALateReaderForgetsOnlyWhatItSaw: what it found too old may have been replaced before it can act.
func TestALateReaderForgetsOnlyWhatItSaw(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	put(t, s, "k", []byte("old"), "a")
	held, _, _ := s.Peek([]byte("k"))
	evict(t, s, "a")
	put(t, s, "k", []byte("new"), "a")
	if memstore.Forget(held) || !has(s, "k") {
		t.Error("what came instead is forgotten")
	}
	audit(t, s)
	_ = s.Delete(t.Context(), "k")
	if memstore.Forget(held) {
		t.Error("forgotten twice")
	}
	audit(t, s)
}

// TestAnOverwriteKeepsTheMark: a record that is refreshed is as popular as it was.
func TestAnOverwriteKeepsTheMark(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 64 << 10, Shards: 1})
	put(t, s, "k", make([]byte, 100))
	has(s, "k")
	put(t, s, "k", make([]byte, 100))
	for i := 0; s.Stats().Drops["space"] == 0; i++ {
		put(t, s, fmt.Sprint(i), make([]byte, 100))
	}
	for i := range 50 {
		put(t, s, fmt.Sprint("more", i), make([]byte, 100))
	}
	if !has(s, "k") {
		t.Error("dropped before what nobody looked up")
	}
}

// TestConcurrentWritersKeepTheCountExact overwrites, views, deletes, drops and sweeps the same few keys at once.
func TestConcurrentWritersKeepTheCountExact(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 8} {
		t.Run(fmt.Sprintf("shards=%d", shards), func(t *testing.T) {
			t.Parallel()
			s := open(t, memstore.Config{MaxBytes: 128 << 10, Shards: shards, SweepEvery: time.Millisecond})
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() { scribble(t, s, rand.New(rand.NewPCG(3, uint64(worker)))) })
			}
			wg.Wait()
			audit(t, s)
			memstore.Sweep(s)
			audit(t, s)
		})
	}
}

func scribble(t *testing.T, s *memstore.Store, r *rand.Rand) {
	t.Helper()
	ctx := t.Context()
	for range 5000 {
		k := fmt.Sprint(r.IntN(100))
		switch r.IntN(8) {
		case 0:
			_ = s.Delete(ctx, k)
		case 1:
			_ = s.Evict(ctx, fmt.Sprint("tag", r.IntN(20)))
		case 2, 3:
			if held, _, ok := s.Peek([]byte(k)); ok {
				held.SetView(k, r.IntN(20_000))
			}
		case 4:
			s.Stats()
		default:
			found, _ := s.Lookup(ctx, k)
			_, _ = s.Store(ctx, k, store.Record{
				Value: make([]byte, r.IntN(4000)), Tags: []string{fmt.Sprint("tag", r.IntN(20))},
				TTL: time.Duration(1 + r.IntN(5e6)), Fence: found[0].Fence,
			})
		}
	}
}
