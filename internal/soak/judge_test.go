package soak_test

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/store/tiered"
)

// grace is how old a stale answer of memory that is kept Bounded may be.
const grace = tiered.DefaultLease + tiered.DefaultLease/10

// row is one thing of the source, the judge's view of it, and how the caches call it.
type row struct {
	key, tag string
	version  atomic.Int64 // in the source; it only grows
	floor    atomic.Int64 // the newest version of which an eviction was confirmed

	mu     sync.Mutex
	raised []mark
}

// mark says when the floor was raised.
type mark struct {
	to int64
	at time.Time
}

// confirm notes that an eviction of a version has been confirmed, before now.
func (r *row) confirm(version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if version > r.floor.Load() {
		r.raised = append(r.raised, mark{version, time.Now()})
		r.floor.Store(version)
	}
}

// staleness returns for how long a version had been evicted at a time.
func (r *row) staleness(version int64, at time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := sort.Search(len(r.raised), func(i int) bool { return r.raised[i].to > version })
	if i == len(r.raised) {
		return 0
	}
	return at.Sub(r.raised[i].at)
}

// raise raises v to at least a value.
func raise(v *atomic.Int64, to int64) {
	for {
		is := v.Load()
		if is >= to || v.CompareAndSwap(is, to) {
			return
		}
	}
}

// asked is what was known when a question was asked.
type asked struct {
	floor int64 // evictions of it or of what was older were confirmed
	own   int64 // the same instance had been told to evict it, whatever it answered
	at    time.Time
}

// Kinds of violations.
const (
	belowFloor = "below the floor"  // older than what was confirmed before
	belowOwn   = "below its own"    // older than what the instance itself was told before
	tooOld     = "stale too long"   // of Bounded memory
	badError   = "unexpected error" // of an eviction
)

// findings are what was counted, and what was found to be wrong.
type findings struct {
	reads, hits, blind, failed  atomic.Int64
	stored, fenced, notKept     atomic.Int64
	confirmed, pending, settled atomic.Int64
	young, oldest               atomic.Int64 // young: stale reads of Bounded memory within grace; oldest in nanoseconds

	diary diary

	mu         sync.Mutex
	violations map[string]int
	texts      []string
	before     string // what happened before the first violation
}

func newFindings() *findings {
	return &findings{violations: map[string]int{}}
}

// ask notes what is known before a question to an instance.
func (w *world) ask(i *instance, k int) asked {
	return asked{floor: w.rows[k].floor.Load(), own: i.told[k].Load(), at: time.Now()}
}

// judge judges the answer to a question.
func (w *world) judge(i *instance, how string, k int, version int64, a asked) {
	w.reads.Add(1)
	young := i.bounded && version < a.floor && w.rows[k].staleness(version, a.at) <= grace
	if w.splits.excused(i.name, a.at, version < a.own || version < a.floor && !young) {
		return
	}
	w.tape.read(i, k, version, a.at)
	if version < a.own {
		w.fault(belowOwn, "%s: %s of row %d gave %d, it had been told to evict %d", i.name, how, k, version, a.own)
	}
	if version >= a.floor {
		return
	}
	age := w.rows[k].staleness(version, a.at)
	if !i.bounded {
		w.fault(belowFloor, "%s: %s of row %d gave %d, %d had been confirmed; stale for %v", i.name, how, k, version, a.floor, age)
		return
	}
	if age > grace {
		w.fault(tooOld, "%s: %s of row %d gave %d, %d had been confirmed; stale for %v", i.name, how, k, version, a.floor, age)
		return
	}
	w.young.Add(1)
	raise(&w.oldest, int64(age))
}

// fault notes a violation.
func (j *findings) fault(kind, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.violations[kind]++
	if j.before == "" {
		j.before = j.diary.last()
	}
	if len(j.texts) < 20 {
		j.texts = append(j.texts, time.Now().Format("15:04:05.0000 ")+kind+": "+fmt.Sprintf(format, args...))
	}
}

func (j *findings) count(kind string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.violations[kind]
}

func (j *findings) total() (n int, texts []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, count := range j.violations {
		n += count
	}
	return n, j.texts
}
