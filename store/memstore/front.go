package memstore

import (
	"math/rand/v2"
	"sync/atomic"
)

// front is a look-aside table before the shards: one slot a hash, each with the item that was found there last.
//
// go-cache counts its readers in its lock, so every hit writes to a cache line that all processors share, and two of
// them are hardly faster than one; sharding does not help when everybody wants the same page. A hit by the front
// writes nothing. It is never asked whether something is absent, and never knows more than the shards: an item leaves
// its slot with its shard.
type front []atomic.Pointer[item]

// stubborn is how many look-ups that find another item in their slot it takes, on average, to displace it: often enough
// that what is popular gets in, and seldom enough that two popular ones do not take turns.
const stubborn = 16

// slot returns where an item with this hash of its key belongs.
func (f front) slot(sum uint64) *atomic.Pointer[item] {
	// The low bits chose the shard; any others do.
	return &f[int(sum>>32)&(len(f)-1)]
}

// get returns the item under key if it stands in its slot and is still in its shard.
func (f front) get(sum uint64, key string) *item {
	it := f.slot(sum).Load()
	if it == nil || it.key != key || it.gone.Load() {
		return nil
	}
	return it
}

// offer puts it, which its shard has just returned, into its slot, though not always over another.
//
// A writer may have removed it meanwhile, and it must not stay here then: the writer marks it as gone and clears the
// slot, this fills the slot and looks at the mark. Whoever is later sees what the other did.
func (f front) offer(it *item) {
	slot := f.slot(it.sums[0])
	if old := slot.Load(); old != nil && !old.gone.Load() && rand.Uint32()%stubborn != 0 {
		return
	}
	slot.Store(it)
	if it.gone.Load() {
		slot.CompareAndSwap(it, nil)
	}
}

// forget clears the slot of an item that is marked as gone.
func (f front) forget(it *item) { f.slot(it.sums[0]).CompareAndSwap(it, nil) }
