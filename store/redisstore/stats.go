package redisstore

import (
	"sync/atomic"

	"github.com/echocache/echocache/store"
)

// counts is what this store has seen.
type counts struct {
	hits, misses, stale, damaged, raced, late, failed atomic.Uint64
	trips                                             atomic.Uint64
	stored, fenced, refused, unknown, outOfMemory     atomic.Uint64
	evictions, unconfirmed                            atomic.Uint64
	claimed, waited, overran                          atomic.Uint64
	swept                                             atomic.Uint64
}

func (c *counts) judged(v store.Verdict) {
	switch v {
	case store.Stored:
		c.stored.Add(1)
	case store.Fenced:
		c.fenced.Add(1)
	case store.Refused:
		c.refused.Add(1)
	default:
		c.unknown.Add(1)
	}
}

func (c *counts) evicted(err error) {
	c.evictions.Add(1)
	if err != nil {
		c.unconfirmed.Add(1)
	}
}

// Info is what a [Store] has done since it was made, counted in this process, and what it knows of the server. The
// numbers are read one after the other while it works, so they need not add up to the last one.
type Info struct {
	Grade       string `json:"grade"`         // see Grade
	Shards      int    `json:"shards"`        // over how many hash slots the namespace is spread
	Hits        uint64 `json:"hits"`          // keys found
	Misses      uint64 `json:"misses"`        // keys not found
	Evicted     uint64 `json:"evicted"`       // records met that had been evicted; among the misses
	Damaged     uint64 `json:"damaged"`       // records met that were not as they should be; among the misses
	Raced       uint64 `json:"raced"`         // records replaced between their judgement and their delivery; among the misses
	Trips       uint64 `json:"trips"`         // trips for look-ups: fewer than look-ups if these came together
	Late        uint64 `json:"late"`          // look-ups whose time was over before there was an answer
	Failed      uint64 `json:"failed"`        // look-ups answered with an error by client or server
	Stored      uint64 `json:"stored"`        // records kept
	Fenced      uint64 `json:"fenced"`        // records that came too late for an eviction
	Refused     uint64 `json:"refused"`       // records not kept for another reason
	Unknown     uint64 `json:"unknown"`       // records of which it is not known whether they are kept
	OutOfMemory uint64 `json:"out_of_memory"` // of those refused: the server has no memory left
	Evictions   uint64 `json:"evictions"`     // calls of Evict, Delete and Replace
	Unconfirmed uint64 `json:"unconfirmed"`   // of them those that returned an error
	Claimed     uint64 `json:"claimed"`       // keys claimed to be filled here; see store.Fleet
	Waited      uint64 `json:"waited"`        // claims of keys that another process had; one that waits asks several times
	Overran     uint64 `json:"overran"`       // claims whose lease was over before the fill was: it is too slow for them
	Swept       uint64 `json:"swept"`         // evicted records that Sweep has freed
}

// Info returns what the store has done. It does no I/O, so it does not tell how much the server holds.
func (s *Store) Info() Info {
	c := &s.counts
	return Info{
		Grade: s.Grade().String(), Shards: len(s.places),
		Hits: c.hits.Load(), Misses: c.misses.Load(), Evicted: c.stale.Load(), Damaged: c.damaged.Load(),
		Raced: c.raced.Load(), Trips: c.trips.Load(), Late: c.late.Load(), Failed: c.failed.Load(),
		Stored: c.stored.Load(), Fenced: c.fenced.Load(), Refused: c.refused.Load(), Unknown: c.unknown.Load(),
		OutOfMemory: c.outOfMemory.Load(), Evictions: c.evictions.Load(), Unconfirmed: c.unconfirmed.Load(),
		Claimed: c.claimed.Load(), Waited: c.waited.Load(), Overran: c.overran.Load(), Swept: c.swept.Load(),
	}
}

// Stats returns what the store has done, as far as it is told of every backend. It does no I/O, so it does not tell how
// much the server holds. Drops has the reason "damaged".
func (s *Store) Stats() store.Stats {
	return store.Stats{
		Evictions: s.counts.evictions.Load(), Fenced: s.counts.fenced.Load(),
		Drops: map[string]uint64{"damaged": s.counts.damaged.Load()},
	}
}
