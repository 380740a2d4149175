package memstore

import "github.com/echocache/echocache/store"

// Stats returns what the store holds and has done. The numbers are read one after the other while it works, so they
// need not add up to the last one. Drops has the reasons "space" and "expired".
func (s *Store) Stats() store.Stats {
	stats := store.Stats{
		MaxBytes: s.config.MaxBytes, Bytes: s.used.Load(),
		Evictions: s.evictions.Load(), Fenced: s.fenced.Load(),
		Drops: map[string]uint64{"space": s.droppedForSpace.Load(), "expired": s.droppedExpired.Load()},
	}
	if s.fault != nil {
		return stats
	}
	stats.Bytes += int64(s.fences.held()) * fenceBytes
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		stats.Entries += int64(sh.count)
		sh.mu.Unlock()
	}
	return stats
}

var (
	_ store.Backend = (*Store)(nil)
	_ store.Local   = (*Store)(nil)
	_ store.Tier    = (*Store)(nil)
	_ store.Held    = (*item)(nil)
)
