package memstore

// SIEVE (Zhang et al., NSDI 2024) chooses what to drop. Records stand in a list in the order in which they came and
// never move. A hand goes from the oldest to the newest and round again: a record that was looked up since it last
// passed loses its mark and stays, the first without a mark goes. A hit so costs no lock and no list operation, only a
// bit, and no write at all when the bit is set already; a record that nobody asked for goes before those that were.

// patience is how many marked records the hand passes before it takes one regardless. It bounds the time for which mu
// is held when everything is in use, and then one choice is as good as another.
const patience = 256

// makeRoom drops records, though not keep, until the store is within its budget: from the shard that grew first, then
// from the others in turn, one each. So a large record takes a little from everywhere, and where the keys happen to
// hash does not decide what fits.
func (s *Store) makeRoom(keep *item) {
	exhausted := 0
	for i := keep.home.index; s.used.Load() > s.budget && exhausted < len(s.shards); i++ {
		if s.shards[i&s.mask].dropOne(keep) {
			exhausted = 0
		} else {
			exhausted++
		}
	}
}

// dropOne drops one record other than keep. It reports false if there is none.
func (sh *shard) dropOne(keep *item) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.count == 0 || sh.count == 1 && sh.oldest == keep {
		return false
	}
	now := sh.store.now()
	for passed := 0; ; sh.hand = sh.hand.newer {
		if sh.hand == nil {
			sh.hand = sh.oldest
		}
		it := sh.hand
		if it == keep {
			continue
		}
		if sh.drop(it, now) {
			sh.rest()
			return true
		}
		if passed++; passed > patience || !it.visited.Load() {
			sh.store.droppedForSpace.Add(1)
			sh.remove(it)
			sh.rest()
			return true
		}
		it.visited.Store(false)
	}
}

// rest ends a turn of the hand. It must not wait at the newest record: that came for this turn or after it, and SIEVE
// drops before it inserts. A hand that waited there would meet what comes next, drop it, and never go round again.
func (sh *shard) rest() {
	if sh.hand == sh.newest {
		sh.hand = nil
	}
}

// drop removes it if nobody can be given it any more. The caller holds mu.
func (sh *shard) drop(it *item, now int64) bool {
	switch {
	case it.expired(now):
		sh.store.droppedExpired.Add(1)
	case sh.store.fences.fresh(it):
		return false
	}
	sh.remove(it)
	return true
}
