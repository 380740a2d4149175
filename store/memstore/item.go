package memstore

import (
	"sync/atomic"

	"github.com/echocache/echocache/store"
)

// item is what go-cache holds for us: a record with what its shard knows of it. It implements [store.Held].
type item struct {
	// What a hit reads and writes stands first, on one cache line.
	due     int64         // when it expires, on the store's clock
	window  int64         // for how long it is kept without being looked up; 0 = however long
	idle    atomic.Int64  // when it is gone before it is due; 0 = never
	seen    atomic.Uint64 // the tick up to which it is known to be fresh; see fences
	view    atomic.Pointer[any]
	visited atomic.Bool // looked up since the hand of SIEVE passed; readers set it, the hand clears it
	gone    atomic.Bool // has left its shard, for good; set under home.mu
	key     string
	home    *shard

	sums   []uint64 // of its tags and, first, of its key; never changes
	record store.Record

	// Guarded by home.mu.
	cost         int64
	newer, older *item
}

// expired reports whether it must not be given out any more.
func (it *item) expired(now int64) bool {
	if it.due <= now {
		return true
	}
	idle := it.idle.Load()
	return idle != 0 && idle <= now
}

// touch begins its window anew. It writes only where that makes a difference: a popular item is read by all processors
// at once.
func (it *item) touch(now int64) {
	if it.window > 0 && now+it.window-it.idle.Load() > it.window/16 {
		it.idle.Store(now + it.window)
	}
}

// newItem returns an item that is in no shard yet.
func (s *Store) newItem(key string, r store.Record) *item {
	it := s.newItemNamed(key, r, r.Tags)
	if r.Sliding > 0 {
		it.window = int64(r.Sliding)
		it.idle.Store(s.deadline(r.Sliding))
	}
	return it
}

// newItemNamed returns an item that is evicted by names.
func (s *Store) newItemNamed(key string, r store.Record, names []string) *item {
	own := s.keySum(key)
	it := &item{
		due: s.deadline(r.TTL), sums: make([]uint64, 1, 1+len(names)), record: r, key: key,
		home: s.shard(own), cost: weigh(key, &r) + 8*int64(len(names)-len(r.Tags)),
	}
	it.sums[0] = own
	for _, name := range names {
		it.sums = append(it.sums, s.fences.sum(name))
	}
	return it
}

// Record returns the record itself.
func (it *item) Record() *store.Record { return &it.record }

// View returns the decoded form that SetView was given last, or nil.
func (it *item) View() any {
	if v := it.view.Load(); v != nil {
		return *v
	}
	return nil
}

// SetView keeps a decoded form of size bytes beside the record, in place of an earlier one. A form that does not fit
// the budget together with its record is not kept; to make room for one that does, other records are dropped.
func (it *item) SetView(view any, size int) {
	s := it.home.store
	if weigh(it.key, &it.record)+viewBytes+int64(max(0, size)) > s.budget {
		return
	}
	if it.home.setView(it, view, viewBytes+int64(max(0, size))) {
		s.makeRoom(it)
	}
}
