package breaker

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// mode is what a call has to know before it begins.
type mode = uint32

const (
	calm mode = iota // closed, nothing is queued
	wary             // closed, but evictions are queued: answers are looked into
	shut             // open
	over             // closed by Close, or never opened for a mistake in the configuration
)

// kind of a name.
const (
	ofTag = 't'
	ofKey = 'k'
	ofAll = '*' // everything there is; the text is empty
)

// name is what an eviction is about.
type name struct {
	kind byte
	text string
}

var everything = name{kind: ofAll}

func named(kind byte, texts []string) []name {
	names := make([]name, len(texts))
	for i, t := range texts {
		names[i] = name{kind, t}
	}
	return names
}

// queued is an eviction on its way to the backend.
type queued struct {
	name

	turn uint64 // when it was asked for, last
}

// ledger says which evictions are queued, and with them whether the backend is believed. All methods may be called
// concurrently.
type ledger struct {
	max   int
	whole bool // the backend can evict everything

	// mode mirrors what is below, so that a call need not lock. It is written under mu.
	mode atomic.Uint32
	// turns counts the evictions queued, confirmed the batches that ceased to be. Both are written under mu.
	turns, confirmed atomic.Uint64

	mu      sync.RWMutex
	entries map[name]entry
	flooded bool // entries were more than max at some time, and are not confirmed all
	tripped bool // gobreaker is not closed
	behind  bool // the backend was away, or evictions come from a file: it is not believed until they are confirmed
	ended   bool
}

type entry struct {
	turn  uint64
	saved bool // stands in the file
}

func newLedger(maximum int, whole bool) *ledger {
	return &ledger{max: maximum, whole: whole, entries: map[name]entry{}}
}

// add queues names, and returns those of them, or what stands for them, that no file holds yet.
func (l *ledger) add(names []name) (unsaved []name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	turn := l.turns.Add(1)
	if _, all := l.entries[everything]; all {
		names = []name{everything}
	}
	for _, n := range names {
		// One that is queued already may be at the backend just now: the answer will be about the earlier turn.
		e := l.entries[n]
		e.turn = turn
		l.entries[n] = e
	}
	if len(l.entries) > l.max {
		l.flooded = true
		if l.whole {
			names = []name{everything}
			l.entries = map[name]entry{everything: {turn: turn}}
		}
	}
	for _, n := range names {
		if !l.entries[n].saved {
			unsaved = append(unsaved, n)
		}
	}
	l.settle()
	return unsaved
}

// saved notes that names stand in the file. Who calls it keeps the file from being written anew meanwhile.
func (l *ledger) saved(names []name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range names {
		if e, ok := l.entries[n]; ok {
			e.saved = true
			l.entries[n] = e
		}
	}
}

// load queues what a file holds, and lets nothing be believed before it is confirmed.
func (l *ledger) load(names []name) {
	l.add(names)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind = l.behind || len(names) > 0
	l.settle()
}

// pending returns what is queued, in the order in which it is sent: by kind, then the oldest first.
func (l *ledger) pending() []queued {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]queued, 0, len(l.entries))
	for n, e := range l.entries {
		all = append(all, queued{n, e.turn})
	}
	slices.SortFunc(all, func(a, b queued) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.turn, b.turn), cmp.Compare(a.text, b.text))
	})
	return all
}

// names returns what is queued, in no order.
func (l *ledger) names() []name {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Collect(maps.Keys(l.entries))
}

// confirm removes what the backend has confirmed, but for what was asked for again since it was sent.
func (l *ledger) confirm(sent []queued) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range sent {
		if l.entries[q.name].turn == q.turn {
			delete(l.entries, q.name)
		}
	}
	if len(l.entries) == 0 {
		l.flooded = false
	}
	// Whoever is at the backend now may have been answered before it confirmed, and looks into the entries after.
	l.confirmed.Add(1)
	l.settle()
}

// holds reports whether an eviction of key, or of one of tags, is queued.
func (l *ledger) holds(key string, tags []string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.entries) == 0 {
		return false
	}
	if _, all := l.entries[everything]; all || l.flooded {
		return true
	}
	if _, ok := l.entries[name{ofKey, key}]; ok {
		return true
	}
	return slices.ContainsFunc(tags, func(tag string) bool {
		_, ok := l.entries[name{ofTag, tag}]
		return ok
	})
}

// trip notes that gobreaker has opened, or closed.
func (l *ledger) trip(tripped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tripped = tripped
	l.behind = l.behind || tripped
	l.settle()
}

// end ends everything.
func (l *ledger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.settle()
}

// count returns how many evictions are queued, and whether everything is to be evicted.
func (l *ledger) count() (n int, all bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, all = l.entries[everything]
	return len(l.entries), all
}

// opened reports whether gobreaker has, and whether the backend is believed again.
func (l *ledger) opened() (tripped, behind bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tripped, l.behind
}

// settle derives the mode. The caller holds mu: so no eviction is queued between a last look at the entries and the
// moment when the backend is believed again.
func (l *ledger) settle() {
	if !l.tripped && len(l.entries) == 0 {
		l.behind = false
	}
	switch {
	case l.ended:
		l.mode.Store(over)
	case l.behind:
		l.mode.Store(shut)
	case len(l.entries) > 0:
		l.mode.Store(wary)
	default:
		l.mode.Store(calm)
	}
}
