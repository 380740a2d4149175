package memstore

import (
	"context"
	"time"

	gocache "github.com/patrickmn/go-cache"
)

// batch is how many items the sweeper looks at under one lock.
const batch = 256

// rebuildFrom is the peak from which a shard's map is worth rebuilding.
const rebuildFrom = 1024

// sweepUntilStopped is the sweeper. It is started by New and ends at Close.
func (s *Store) sweepUntilStopped() {
	defer close(s.stopped)
	ticker := time.NewTicker(s.config.SweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		case <-s.full:
		case swept := <-s.asked:
			s.sweep()
			close(swept)
			continue
		}
		s.sweep()
	}
}

// Sweep implements [store.Sweeper]: it has the sweeper pass now, and waits for it. What a reader still holds is freed when
// that is done.
func (s *Store) Sweep(ctx context.Context) error {
	if s.off.Load() {
		return s.refusal()
	}
	swept := make(chan struct{})
	select {
	case s.asked <- swept:
	case <-s.stopped:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-swept:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweep passes once through everything, drops what is expired or evicted, and ends early at Close.
//
// What it leaves is known to be fresh as of now (see fences). So a floor that rises later finds nothing to over-evict
// but fills that have been under way since before the pass: that is why it runs when the fence table dropped a part.
func (s *Store) sweep() {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.beginPass()
		for sh.sweepBatch() {
			select {
			case <-s.stop:
				return
			default:
			}
		}
	}
}

// beginPass sets the cursor at the newest item: what comes later need not be looked at.
//
// A Go map never shrinks. If this one has held many more items than it does now, the pass copies what stays into a
// smaller one, while writers keep both up to date.
func (sh *shard) beginPass() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.cursor = sh.newest
	if sh.smaller == nil && sh.peak >= rebuildFrom && sh.count < sh.peak/4 {
		sh.smaller = gocache.New(gocache.NoExpiration, 0)
	}
}

// sweepBatch looks at the next items. It reports false when the pass is over.
func (sh *shard) sweepBatch() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := sh.store.now()
	for range batch {
		it := sh.cursor
		if it == nil {
			sh.endPass()
			return false
		}
		sh.cursor = it.older
		if !sh.drop(it, now) && sh.smaller != nil {
			sh.smaller.Set(it.key, it, gocache.NoExpiration)
		}
	}
	return true
}

// endPass puts the rebuilt map in place. A reader that has the old one in hand is as late as one that has already
// looked: what it finds there is judged all the same. The caller holds mu.
func (sh *shard) endPass() {
	if sh.smaller == nil {
		return
	}
	sh.cache.Store(sh.smaller)
	sh.smaller, sh.peak = nil, sh.count
}
