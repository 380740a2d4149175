package memstore

import (
	"crypto/rand"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/echocache/echocache/store"
)

// fences is the eviction clock of a store: which tag was evicted when, in ticks. There is one for all shards, so that
// an eviction writes in one place whatever carries its tags.
//
// Tags and keys are known by 64-bit hashes with seeds of this store, so nobody outside can make two collide. If two do
// by chance (1 in 10^9 for a tag among 10^10), the eviction of one evicts the other as well: too much, never too little.
//
// # Why an eviction beats every earlier fill
//
// Let E be an eviction of tag t that has returned and got tick v, R a record that carries t and whose fence F was
// handed out before E began, and P a look-up that begins after E returned. P must not return R.
//
//  1. F < v. Ticks are given out under mu as clock+1, and the clock only grows; F was read from the clock before E
//     moved it to v.
//  2. An item's seen is its fence at first, and later a value c of the clock that was loaded BEFORE its tags were
//     compared and found free of ticks later than the seen before. Evictions write their ticks BEFORE they publish
//     the clock, so at that comparison every tick up to c was in the table, or the floor stood in for it. By
//     induction seen = c means: no tag of the item was evicted in (F, c]. Hence R's seen < v, for ever: a seen of v
//     or later would have needed a comparison that found t's tick v, or a later one, or a floor above, and failed.
//  3. P loads the clock after E published it: at least v, so not equal to seen, so P compares. It finds t with a tick
//     of at least v > seen, or, if that was dropped from the table, a floor of at least v > seen. R is not fresh. ∎
//
// The same holds for a fill in flight, whose fence is compared at Store. Loading the clock after the comparison breaks
// step 2, and so does publishing it before the ticks are written (but under mu, which a comparison waits for). Go's
// atomics and mutexes give the order.
type fences struct {
	epoch [16]byte
	seed  maphash.Seed
	// The clock is read by every hit; the lock beside it is not to be on its cache line.
	clock atomic.Uint64
	_     [64]byte

	mu sync.RWMutex
	// What was evicted at or before the floor may be missing from the table: who saw nothing later is not fresh.
	floor uint64
	// generations hold the table by age, the youngest first: each tick in one is at most the least of those before.
	generations [generations]generation
	part        int // tags in a generation

	// compared is for tests, which let things happen between a comparison and what follows from it. Else nil.
	compared func()
}

// generations is in how many parts the table is kept. Dropping the oldest is how it stays within its size, without
// looking for what is oldest.
const generations = 4

type generation struct {
	ticks map[uint64]uint64 // hash of a tag → tick of its last eviction in this generation
	last  uint64            // the highest tick in ticks
}

// newFences returns a clock that remembers size evicted tags, at the least three quarters of them.
func newFences(size int) *fences {
	f := &fences{seed: maphash.MakeSeed(), part: max(1, size/generations)}
	_, _ = rand.Read(f.epoch[:]) // never fails (crypto/rand)
	for i := range f.generations {
		f.generations[i].ticks = make(map[uint64]uint64)
	}
	return f
}

// sum returns the name under which the table knows tag.
func (f *fences) sum(tag string) uint64 { return maphash.String(f.seed, tag) }

// now returns the fence for a fill that begins now.
func (f *fences) now() store.Fence { return store.Fence{Epoch: f.epoch, Tick: f.clock.Load()} }

// evict writes down that sums are evicted. It reports whether a part of the table was dropped for it.
func (f *fences) evict(sums []uint64) (dropped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, dropped = f.write(sums)
	return dropped
}

// exchange judges a fill as admit does, and writes down that sums are evicted, with nothing in between. What it admits
// is fresh as of the tick of that eviction, which it does not fall under: it was computed by whoever evicts.
func (f *fences) exchange(fence store.Fence, carried, sums []uint64) (seen uint64, ok, dropped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ok = fence.Epoch == f.epoch && fence.Tick <= f.clock.Load() && !f.evicted(fence.Tick, carried)
	seen, dropped = f.write(sums)
	return seen, ok, dropped
}

// write writes sums down under the next tick. The caller holds mu.
func (f *fences) write(sums []uint64) (tick uint64, dropped bool) {
	tick = f.clock.Load() + 1
	for _, sum := range sums {
		young := &f.generations[0]
		if _, known := young.ticks[sum]; !known && len(young.ticks) >= f.part {
			f.turn()
			dropped = true
		}
		young.ticks[sum], young.last = tick, tick
	}
	f.clock.Store(tick) // after the ticks: step 2
	return tick, dropped
}

// turn drops the oldest generation and begins a new one in its memory. The caller holds mu.
func (f *fences) turn() {
	oldest := f.generations[generations-1]
	f.floor = max(f.floor, oldest.last)
	clear(oldest.ticks)
	copy(f.generations[1:], f.generations[:generations-1])
	f.generations[0] = generation{ticks: oldest.ticks}
}

// admit judges a fill that carries sums and began at fence. If nothing came in between, seen is the tick up to which
// that is known. A fence of another epoch, or one that this clock has not reached, proves nothing and is not admitted.
func (f *fences) admit(fence store.Fence, sums []uint64) (seen uint64, ok bool) {
	now := f.clock.Load() // before the comparison: step 2
	if fence.Epoch != f.epoch || fence.Tick > now || f.evictedSince(fence.Tick, sums) {
		return 0, false
	}
	if f.compared != nil {
		f.compared()
	}
	return now, true
}

// fresh judges an item that was fresh when it was stored. If no eviction at all happened since it was last found so,
// that is one load and one comparison.
func (f *fences) fresh(it *item) bool {
	now := f.clock.Load() // before the comparison: step 2
	seen := it.seen.Load()
	if seen == now {
		return true
	}
	if f.evictedSince(seen, it.sums) {
		return false
	}
	if f.compared != nil {
		f.compared()
	}
	// Two readers may write here in any order. The lower value is as true as the higher one.
	it.seen.Store(now)
	return true
}

// evictedSince reports whether one of sums was evicted later than tick, or may have been.
func (f *fences) evictedSince(tick uint64, sums []uint64) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.evicted(tick, sums)
}

// evicted is evictedSince for a caller that holds mu.
func (f *fences) evicted(tick uint64, sums []uint64) bool {
	if tick < f.floor {
		return true
	}
	for i := range f.generations {
		g := &f.generations[i]
		if g.last <= tick {
			continue
		}
		for _, sum := range sums {
			if g.ticks[sum] > tick {
				return true
			}
		}
	}
	return false
}

// held returns how many tags the table holds.
func (f *fences) held() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := 0
	for i := range f.generations {
		n += len(f.generations[i].ticks)
	}
	return n
}
