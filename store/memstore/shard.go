package memstore

import (
	"sync"
	"sync/atomic"

	gocache "github.com/patrickmn/go-cache"

	"github.com/echocache/echocache/store"
)

// shard is one part of a store: a go-cache that readers look into, and beside it the list by which writers, under mu,
// choose what to drop. Readers take go-cache's read lock, if the front did not serve them, and nothing else.
//
// go-cache is used as a map with a lock. Its own expiry follows the wall clock, its OnEvicted is not called for
// overwrites, and its janitor locks the whole map for a scan: all three stay off.
type shard struct {
	store *Store
	index int
	// cache is replaced when the sweeper has rebuilt it smaller, and otherwise never.
	cache atomic.Pointer[gocache.Cache]
	_     [64]byte // what readers read is not to share a line with what writers write

	mu sync.Mutex
	// The list holds what cache holds, in the order in which it came.
	newest, oldest *item
	count          int
	hand           *item          // SIEVE looks here next; nil: at the oldest
	cursor         *item          // the sweeper looks here next; nil: it has been through
	smaller        *gocache.Cache // the sweeper is rebuilding cache into this
	peak           int            // the most items that cache has held
}

// open makes the shard ready for use.
func (sh *shard) open(s *Store, index int) {
	sh.store, sh.index = s, index
	sh.cache.Store(gocache.New(gocache.NoExpiration, 0))
}

// get returns the item under key, however old, or nil.
func (sh *shard) get(key string) *item {
	held, ok := sh.cache.Load().Get(key)
	if !ok {
		return nil
	}
	return held.(*item) //nolint:errcheck // nothing else is ever put in
}

// put keeps it, in place of what is under its key, unless it is not fresh any more or the store is closed.
//
// It is judged under mu: what a pass of the sweeper did not find in the list is judged after that pass began.
func (sh *shard) put(it *item) store.Verdict {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.store.off.Load() {
		return store.Refused
	}
	seen, ok := sh.store.fences.admit(it.record.Fence, it.sums)
	if !ok {
		return store.Fenced
	}
	sh.set(it, seen)
	return store.Stored
}

// replace evicts sums and keeps it as put does, judged by what was evicted before.
func (sh *shard) replace(it *item, sums []uint64) (v store.Verdict, dropped bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	seen, ok, dropped := sh.store.fences.exchange(it.record.Fence, it.sums, sums)
	switch {
	case !ok:
		return store.Fenced, dropped
	case sh.store.off.Load():
		return store.Refused, dropped
	}
	sh.set(it, seen)
	return store.Stored, dropped
}

// set puts it, which is fresh as of the tick seen, in place of what is under its key. The caller holds mu.
func (sh *shard) set(it *item, seen uint64) {
	it.seen.Store(seen)
	if old := sh.get(it.key); old != nil {
		it.visited.Store(old.visited.Load()) // a refreshed record is as popular as it was
		sh.unlink(old)
	}
	sh.link(it)
}

// link puts it at the new end of the list and under its key. The caller holds mu.
func (sh *shard) link(it *item) {
	it.older = sh.newest
	if sh.newest != nil {
		sh.newest.newer = it
	} else {
		sh.oldest = it
	}
	sh.newest = it
	sh.count++
	sh.peak = max(sh.peak, sh.count)
	sh.store.used.Add(it.cost)
	sh.cache.Load().Set(it.key, it, gocache.NoExpiration)
	if sh.smaller != nil {
		sh.smaller.Set(it.key, it, gocache.NoExpiration)
	}
}

// unlink takes it out of the list and leaves it under its key, for what will be put there. The caller holds mu.
func (sh *shard) unlink(it *item) {
	if sh.hand == it {
		sh.hand = it.newer
	}
	if sh.cursor == it {
		sh.cursor = it.older
	}
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		sh.newest = it.older
	}
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		sh.oldest = it.newer
	}
	it.newer, it.older = nil, nil
	it.gone.Store(true)
	sh.store.front.forget(it)
	sh.count--
	sh.store.used.Add(-it.cost)
}

// remove takes it out of the list and from under its key. The caller holds mu.
func (sh *shard) remove(it *item) {
	sh.unlink(it)
	sh.cache.Load().Delete(it.key)
	if sh.smaller != nil {
		sh.smaller.Delete(it.key)
	}
}

// forget removes it if it is still there. Another writer may have been faster, and the key may hold something newer.
func (sh *shard) forget(it *item) (removed bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if it.gone.Load() {
		return false
	}
	sh.remove(it)
	return true
}

// setView gives it a view that weighs size bytes. It reports whether the view counts: it does not once it is gone.
func (sh *shard) setView(it *item, view any, size int64) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	it.view.Store(&view)
	if it.gone.Load() {
		return false
	}
	grown := weigh(it.key, &it.record) + size - it.cost
	it.cost += grown
	sh.store.used.Add(grown)
	return true
}

// empty forgets everything.
func (sh *shard) empty() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for sh.oldest != nil {
		sh.unlink(sh.oldest)
	}
	sh.cache.Store(gocache.New(gocache.NoExpiration, 0))
	sh.smaller = nil
}
