package store_test

import (
	"sync"
	"time"
)

// historyKeys is how many rows the source of a history has. Few, so that callers meet.
const historyKeys = 3

// historyStamp is what a value of a history says of itself: of which row it is, of which of its versions, and at which
// tick it was read. No two readings are the same.
type historyStamp struct {
	Key     int
	Version int64
	Read    int64
}

// historySource is the database behind a cache, and the oracle of I-1. Its time is counted in ticks, one for each thing
// that happens: whoever arrives after a forgetting was confirmed must not be given what was read before it began.
type historySource struct {
	mu   sync.Mutex
	tick int64
	rows [historyKeys]historyRow
}

type historyRow struct {
	version   int64
	present   bool
	seen      historySeen           // when the absence of the row was last read
	confirmed map[int64]historySeen // by version: when a load last said that it is not modified
	set       map[int64]historySeen // by the tick of a reading: when it was published, or when Set returned with it
	read      map[int64]time.Time   // by tick, if it was ever what the row said
	forgotten int64                 // when the last confirmed forgetting began
	loading   int                   // loads of it under way that callers may share
	loads     int                   // that have begun
}

type historySeen struct {
	tick int64
	at   time.Time
}

// historyForever is the tick of a Set that has not returned.
const historyForever = 1 << 60

func newHistorySource() *historySource {
	s := new(historySource)
	for i := range s.rows {
		s.rows[i] = historyRow{
			version: 1, present: i > 0, // the first is yet to be created
			confirmed: map[int64]historySeen{}, set: map[int64]historySeen{}, read: map[int64]time.Time{},
		}
	}
	return s
}

// now returns a tick of its own.
func (s *historySource) now() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick++
	return s.tick
}

// read returns those rows that are there.
func (s *historySource) read(keys ...int) map[int]historyStamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick++
	found := make(map[int]historyStamp)
	for _, key := range keys {
		row := &s.rows[key]
		if row.present {
			found[key] = historyStamp{key, row.version, s.tick}
			row.read[s.tick] = time.Now()
		} else {
			row.seen = historySeen{s.tick, time.Now()}
		}
	}
	return found
}

// draft returns a new version of a row for publish to write.
func (s *historySource) draft(key int) historyStamp {
	tick := s.now()
	return historyStamp{key, tick, tick}
}

// publish makes a draft what the row says now, or, if it is not present, removes the row. It returns the tick.
func (s *historySource) publish(draft historyStamp, present bool) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick++
	row := &s.rows[draft.Key]
	row.version, row.present = draft.Version, present
	row.read[draft.Read] = time.Now()
	row.set[draft.Read] = historySeen{s.tick, time.Now()}
	return s.tick
}

// version returns the version of a row, and false if it is not there.
func (s *historySource) version(key int) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[key].version, s.rows[key].present
}

// confirm notes that what was read is what a value that is there already says as well.
func (s *historySource) confirm(stamp historyStamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row := &s.rows[stamp.Key]
	if stamp.Read > row.confirmed[stamp.Version].tick {
		row.confirmed[stamp.Version] = historySeen{stamp.Read, row.read[stamp.Read]}
	}
}

// setting notes that a reading was handed to Set, or that Set has returned. What is forgotten meanwhile does not bind
// it: its documentation leaves open who of two at once is last.
func (s *historySource) setting(stamp historyStamp, returned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := historySeen{historyForever, time.Now()}
	if returned {
		s.tick++
		seen.tick = s.tick
	}
	s.rows[stamp.Key].set[stamp.Read] = seen
}

// forgotten notes that a forgetting of keys that began at a tick is confirmed.
func (s *historySource) forgotten(began int64, keys ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.rows[key].forgotten = max(s.rows[key].forgotten, began)
	}
}

// least returns, for somebody who arrives now, the tick at which each row must have been read at the earliest.
func (s *historySource) least() (ticks [historyKeys]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rows {
		ticks[i] = s.rows[i].forgotten
	}
	return ticks
}

// seen returns when a value was last known to be right.
func (s *historySource) seen(stamp historyStamp) historySeen {
	s.mu.Lock()
	defer s.mu.Unlock()
	row := &s.rows[stamp.Key]
	last := historySeen{stamp.Read, row.read[stamp.Read]}
	for _, other := range []historySeen{row.confirmed[stamp.Version], row.set[stamp.Read]} {
		if other.tick > last.tick {
			last = other
		}
	}
	return last
}

// absent returns when a row was last seen not to be there.
func (s *historySource) absent(key int) historySeen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[key].seen
}

// loading counts the loads of keys that callers may share, and returns how many there are at most of one.
func (s *historySource) loading(n int, keys ...int) (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.rows[key].loading += n
		s.rows[key].loads += max(n, 0)
		most = max(most, s.rows[key].loading)
	}
	return most
}
