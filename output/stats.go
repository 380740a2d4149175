package output

import (
	"sync/atomic"

	"github.com/echocache/echocache/internal/striped"
	"github.com/echocache/echocache/store"
)

// Stats is what a cache has done since it was made. The numbers are read one after the other while the cache works,
// so they need not add up to the last one.
type Stats struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Enabled   bool   `json:"enabled"`
	Hits      uint64 `json:"hits"`      // answered from the store
	Misses    uint64 `json:"misses"`    // not found, the handler ran for this request
	Stale     uint64 `json:"stale"`     // answered with a stale page, of hits and misses
	Collapsed uint64 `json:"collapsed"` // answered from another request's fill
	Bypassed  uint64 `json:"bypassed"`  // passed by
	Stored    uint64 `json:"stored"`    // fills that were kept
	Refreshes uint64 `json:"refreshes"` // requests in the background for stale pages
	// Unrefreshed counts those of them that came to nothing.
	Unrefreshed uint64 `json:"unrefreshed"`
	Damaged     uint64 `json:"damaged"`   // entries that could not be read
	Evictions   uint64 `json:"evictions"` // calls of Evict and its kin
	Unproven    uint64 `json:"unproven"`  // of them those that the backend did not confirm
	Filling     int64  `json:"filling"`   // handlers at work under a policy, now
	Waiting     int64  `json:"waiting"`   // requests that wait for another's fill, now
	// Reasons counts bypasses and answers that were not stored, by reason word.
	Reasons map[string]uint64 `json:"reasons"`
	// Values is what the store has done with the values of GetOrSet and its kin, whichever cache they were asked of.
	Values store.ValueStats `json:"values"`
	// Store is what the backend knows of its records, if it holds them itself.
	Store *store.Stats `json:"store,omitempty"`
}

type counters struct {
	hits      striped.Counter
	misses    atomic.Uint64
	stale     atomic.Uint64
	collapsed atomic.Uint64
	bypassed  atomic.Uint64
	stored    atomic.Uint64
	damaged   atomic.Uint64
	refreshes atomic.Uint64
	// of them those in vain
	unrefreshed atomic.Uint64
	evictions   atomic.Uint64
	unproven    atomic.Uint64
	filling     atomic.Int64
	waiting     atomic.Int64
	reasons     map[string]*atomic.Uint64 // made once, never changed
}

func newCounters() *counters {
	c := &counters{reasons: make(map[string]*atomic.Uint64, len(reasons))}
	for _, r := range reasons {
		c.reasons[r] = new(atomic.Uint64)
	}
	return c
}

func (c *counters) because(reason string) {
	if n := c.reasons[reason]; n != nil {
		n.Add(1)
	}
}

// Stats returns what the cache has done so far.
func (c *Cache) Stats() Stats {
	n := c.counters
	s := Stats{
		Name: c.config.Name, Version: c.config.Version, Enabled: c.enabled.Load(),
		Hits: n.hits.Load(), Misses: n.misses.Load(), Collapsed: n.collapsed.Load(), Stale: n.stale.Load(), Bypassed: n.bypassed.Load(),
		Stored: n.stored.Load(), Damaged: n.damaged.Load(),
		Refreshes: n.refreshes.Load(), Unrefreshed: n.unrefreshed.Load(),
		Evictions: n.evictions.Load(), Unproven: n.unproven.Load(),
		Filling: n.filling.Load(), Waiting: n.waiting.Load(),
		Reasons: make(map[string]uint64), Values: c.store.Stats(),
	}
	for reason, count := range n.reasons {
		if v := count.Load(); v > 0 {
			s.Reasons[reason] = v
		}
	}
	if b, ok := store.As[interface{ Stats() store.Stats }](c.backend); ok {
		held := b.Stats()
		s.Store = &held
	}
	return s
}
