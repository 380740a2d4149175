package memstore

import (
	"fmt"
	"unsafe"

	"github.com/echocache/echocache/store"
)

// What tests may know.
const (
	Batch    = batch
	Patience = patience
)

// Budget returns what records may weigh.
func Budget(s *Store) int64 { return s.budget }

// FenceRoom returns how many evicted tags a store with a budget of maxBytes remembers at most.
func FenceRoom(maxBytes int64) int { return fenceRoom(maxBytes) }

// Weigh returns what a record counts for.
func Weigh(key string, r store.Record) int64 { return weigh(key, &r) }

// Sweep passes once through everything, as the sweeper does.
func Sweep(s *Store) { s.sweep() }

// BeginPass begins a pass of the sweeper over a store of one shard.
func BeginPass(s *Store) { s.shards[0].beginPass() }

// SweepBatch looks at the next items of the pass. It reports false when the pass is over.
func SweepBatch(s *Store) bool { return s.shards[0].sweepBatch() }

// Cursor returns the key of the item that a pass looks at next.
func Cursor(s *Store) string { return s.shards[0].cursor.key }

// Rebuilding reports whether the pass copies into a smaller map.
func Rebuilding(s *Store) bool { return s.shards[0].smaller != nil }

// Marked returns how many items SIEVE's hand would pass by.
func Marked(s *Store) int {
	n := 0
	for i := range s.shards {
		for it := s.shards[i].oldest; it != nil; it = it.newer {
			if it.visited.Load() {
				n++
			}
		}
	}
	return n
}

// Swept reports whether the sweeper has ended.
func Swept(s *Store) bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// Fronted returns how many items stand in the front.
func Fronted(s *Store) int {
	n := 0
	for i := range s.front {
		if s.front[i].Load() != nil {
			n++
		}
	}
	return n
}

// Slot returns the number of the slot of key in the front.
func Slot(s *Store, key string) int {
	slot := s.front.slot(s.keySum(key))
	for i := range s.front {
		if &s.front[i] == slot {
			return i
		}
	}
	return -1
}

// InSlot returns the key of what stands in the slot of key.
func InSlot(s *Store, key string) string { return s.front.slot(s.keySum(key)).Load().key }

// Plant puts held into its slot, as offer does before it looks whether it is gone.
func Plant(s *Store, held store.Held) {
	it := held.(*item)
	s.front.slot(it.sums[0]).Store(it)
}

// Forget does what a look-up does that has found held expired or evicted and was interrupted before it could act.
func Forget(held store.Held) bool {
	it := held.(*item)
	return it.home.forget(it)
}

// Reserved returns what of the budget is kept back for fences and the front, were both full.
func Reserved(s *Store) int64 {
	return int64(generations*s.fences.part)*fenceBytes + int64(len(s.front))*int64(unsafe.Sizeof(s.front[0]))
}

// Offer does what a look-up does that was interrupted after it had found held in its shard.
func Offer(s *Store, held store.Held) { s.front.offer(held.(*item)) }

// Comparing keeps evictions waiting, as a comparison that is under way does, until done is called.
func Comparing(s *Store) (done func()) {
	s.fences.mu.RLock()
	return s.fences.mu.RUnlock
}

// AfterComparing calls f once, between the next comparison with the fence table that finds nothing and what is
// concluded from it.
func AfterComparing(s *Store, f func()) {
	s.fences.compared = func() {
		s.fences.compared = nil
		f()
	}
}

// Generations returns how many of the fence table's generations hold anything, and the floor.
func Generations(s *Store) (used int, floor uint64) {
	s.fences.mu.RLock()
	defer s.fences.mu.RUnlock()
	for i := range s.fences.generations {
		if len(s.fences.generations[i].ticks) > 0 {
			used++
		}
	}
	return used, s.fences.floor
}

// Capacity returns how many items the shards' maps have room for, as far as that is counted: the most they have held.
func Capacity(s *Store) int {
	n := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		n += sh.peak
		sh.mu.Unlock()
	}
	return n
}

// Audit returns the first thing that does not add up. It holds the locks of all shards, so the sweeper may run, but no
// Store may be under way: one that has not made room yet may exceed the budget.
func Audit(s *Store) error {
	for i := range s.shards {
		s.shards[i].mu.Lock()
		defer s.shards[i].mu.Unlock()
	}
	var used int64
	for i := range s.shards {
		weight, err := s.shards[i].audit()
		if err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
		used += weight
	}
	if got := s.used.Load(); got != used {
		return fmt.Errorf("used is %d, the items weigh %d", got, used)
	}
	if used > s.budget {
		return fmt.Errorf("the items weigh %d, the budget is %d", used, s.budget)
	}
	for i := range s.front {
		if it := s.front[i].Load(); it != nil && (it.gone.Load() || it.home.get(it.key) != it) {
			return fmt.Errorf("the front holds %q, which is gone", it.key)
		}
	}
	if n := s.fences.held(); int64(n) > s.config.MaxBytes/share {
		return fmt.Errorf("the fence table holds %d tags, more than %d", n, s.config.MaxBytes/share)
	}
	return nil
}

func (sh *shard) audit() (weight int64, err error) {
	listed := map[*item]bool{}
	var older *item
	for it := sh.oldest; it != nil; older, it = it, it.newer {
		switch {
		case listed[it]:
			return 0, fmt.Errorf("the list runs in a circle at %q", it.key)
		case it.gone.Load():
			return 0, fmt.Errorf("%q is in the list and marked as gone", it.key)
		case it.older != older:
			return 0, fmt.Errorf("%q does not know the one before it", it.key)
		case it.home != sh:
			return 0, fmt.Errorf("%q is in another shard's list", it.key)
		case sh.get(it.key) != it:
			return 0, fmt.Errorf("%q is in the list and not in the map", it.key)
		case it.cost < weigh(it.key, &it.record):
			return 0, fmt.Errorf("%q costs %d and weighs %d", it.key, it.cost, weigh(it.key, &it.record))
		}
		listed[it] = true
		weight += it.cost
	}
	switch cache := sh.cache.Load(); {
	case sh.newest != older:
		return 0, fmt.Errorf("the list does not end with the newest")
	case len(listed) != sh.count || cache.ItemCount() != sh.count:
		return 0, fmt.Errorf("%d in the list, %d in the map, %d counted", len(listed), cache.ItemCount(), sh.count)
	case sh.hand != nil && !listed[sh.hand]:
		return 0, fmt.Errorf("the hand points at %q, which is gone", sh.hand.key)
	case sh.cursor != nil && !listed[sh.cursor]:
		return 0, fmt.Errorf("the cursor points at %q, which is gone", sh.cursor.key)
	case sh.smaller != nil && sh.cursor == nil:
		return 0, fmt.Errorf("no pass goes on, and the map is being rebuilt")
	}
	return weight, nil
}
