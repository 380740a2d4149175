package main

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// tally counts what came of the load. Its methods may be called concurrently.
type tally struct {
	mu     sync.Mutex
	now    counts // since the last line
	loaded int64  // until the last line
	whole  verdict
}

// counts are those of one second.
type counts struct {
	memory, redis, made, errors, stale int
	reads, writes                      []time.Duration
}

// enter begins a phase.
func (t *tally) enter(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.whole.phases = append(t.whole.phases, &part{name: p.name, away: p.away, began: time.Now()})
}

// part returns the phase that runs. Only with mu held.
func (t *tally) part() *part { return t.whole.phases[len(t.whole.phases)-1] }

func (t *tally) skip() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.whole.skipped++
}

func (t *tally) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.errors++
	p := t.part()
	p.errors++
	t.whole.note("ERROR", p, err.Error())
}

// old counts a stale answer. queued: the eviction may not have been confirmed.
func (t *tally) old(what string, queued bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.stale++
	p := t.part()
	word := "STALE"
	if queued {
		word = "QUEUED"
		p.queued++
	} else {
		p.stale++
	}
	t.whole.note(word, p, what)
}

func (t *tally) readTook(took time.Duration, status string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.reads = append(t.now.reads, took)
	p := t.part()
	p.reads = append(p.reads, took)
	switch {
	case !strings.Contains(status, "; hit"):
		t.now.made++
		return
	case strings.Contains(status, "detail=memory"):
		t.now.memory++
	default:
		t.now.redis++
	}
	if p.hit == 0 {
		p.hit = time.Since(p.began)
	}
}

func (t *tally) writeTook(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.writes = append(t.now.writes, took)
	p := t.part()
	p.writes = append(p.writes, took)
}

// settle says that all instances use Redis, and none has anything queued.
func (t *tally) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.part(); !p.away && p.settled == 0 {
		p.settled = time.Since(p.began)
	}
}

// ms returns a percentile in milliseconds.
func ms(all []time.Duration, percent int) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[(len(all)-1)*percent/100].Seconds() * 1000
}
