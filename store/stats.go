package store

import (
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/internal/striped"
)

// Stats is what a backend that holds records itself knows of them. A backend that can tell implements
// interface{ Stats() Stats }, found through [As].
type Stats struct {
	Entries   int64  `json:"entries"`   // records held, expired ones not yet swept included
	Bytes     int64  `json:"bytes"`     // what they, their keys and the fences are reckoned to occupy
	MaxBytes  int64  `json:"max_bytes"` // the budget
	Evictions uint64 `json:"evictions"` // calls of Evict and Delete
	// Drops counts records forgotten for another reason than an eviction, by reason: "space", "expired".
	Drops map[string]uint64 `json:"drops"`
	// Fenced counts records that came too late for an eviction and were not kept.
	Fenced uint64 `json:"fenced"`
}

// ValueStats is what a [Store] has done with values since it was made. The numbers are read one after the other while
// it works, so they need not add up to the last one.
type ValueStats struct {
	Hits      uint64 `json:"hits"`      // found fresh
	Misses    uint64 `json:"misses"`    // not found fresh, and loaded for this caller
	Collapsed uint64 `json:"collapsed"` // answered from another caller's load
	Stale     uint64 `json:"stale"`     // answered with what was not fresh any more
	Loads     uint64 `json:"loads"`     // loads begun, of one key or several
	Failed    uint64 `json:"failed"`    // of them those that returned an error other than ErrNotFound
	Stored    uint64 `json:"stored"`    // loaded values that were kept
	Fenced    uint64 `json:"fenced"`    // loaded values that came too late for an eviction
	Damaged   uint64 `json:"damaged"`   // records that could not be read as what was asked for
	Loading   int64  `json:"loading"`   // loads under way, now
}

type counters struct {
	hits                                                              striped.Counter
	misses, collapsed, stale, loaded, failed, stored, fenced, damaged atomic.Uint64
	loading                                                           atomic.Int64
}

// Stats returns what the store has done with values so far. What its backend holds is the backend's to tell.
func (s *Store) Stats() ValueStats {
	return ValueStats{
		Hits: s.hits.Load(), Misses: s.misses.Load(), Collapsed: s.collapsed.Load(), Stale: s.stale.Load(),
		Loads: s.loaded.Load(), Failed: s.failed.Load(), Stored: s.stored.Load(), Fenced: s.fenced.Load(),
		Damaged: s.damaged.Load(), Loading: s.loading.Load(),
	}
}

// Event is what an [Observer] hears. It names no key: that may hold a user's id.
type Event struct {
	Keys     int           // how many
	Duration time.Duration // of a load
	Err      error         // of a load
}

// Observer hears of each value that is found or loaded, in the goroutine where that happens. Methods must not block and
// may be called concurrently. Embed [NopObserver] to hear only some.
type Observer interface {
	Hit(Event)    // found fresh
	Stale(Event)  // answered with what was not fresh any more
	Loaded(Event) // a load has ended
}

// NopObserver is an [Observer] that does nothing.
type NopObserver struct{}

// Hit does nothing.
func (NopObserver) Hit(Event) {}

// Stale does nothing.
func (NopObserver) Stale(Event) {}

// Loaded does nothing.
func (NopObserver) Loaded(Event) {}

func (s *Store) hit(noise time.Duration) {
	s.hits.Add(noise)
	if s.config.Observer != nil {
		s.config.Observer.Hit(Event{Keys: 1})
	}
}
