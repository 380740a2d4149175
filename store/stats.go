package store

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
