package soak_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store/redisstore"
)

// secondTime is how long the second judgement may take; without a result it says nothing.
const secondTime = 30 * time.Second

// healing is how long everything may take to be well again. Breakers and queues ask every 10 s at most.
const healing = 60 * time.Second

// TestI1_Soak lets the fleet work while everything fails, and wants no answer to be older than what was confirmed before
// it was asked for, and every eviction to be confirmed in the end.
func TestI1_Soak(t *testing.T) {
	t.Parallel()
	newWorld(t, variant{chaos: true}).soak(t, redisstore.GradeExact)
}

// TestI1_SoakWithFailovers is the same over a master and a replica, which is promoted again and again before it has heard
// of everything.
func TestI1_SoakWithFailovers(t *testing.T) {
	t.Parallel()
	newWorld(t, variant{chaos: true, pair: true}).soak(t, redisstore.GradeExceptSplitBrain)
}

func (w *world) soak(t *testing.T, grade redisstore.Grade) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), *length)
	defer cancel()
	w.read()
	w.run(ctx, true)
	w.heal(t)
	close(w.done)
	w.readers.Wait()
	w.recover(t)
	w.report(t, time.Since(began))
	for _, i := range w.instances {
		// That one begins before there is a replica, or while it is away, is found out later.
		if got := i.near.Grade(); got != grade && got != redisstore.GradeExact {
			t.Errorf("%s: the grade is %q, want %q", i.name, got, grade)
		}
	}
}

// run has writers, and faults if there are to be any, until ctx ends.
func (w *world) run(ctx context.Context, chaos bool) {
	var all sync.WaitGroup
	all.Go(func() { w.write(ctx) })
	if chaos {
		all.Go(func() { w.chaos(ctx) })
	}
	all.Wait()
}

// heal waits until no eviction is queued any more. Readers go on, and then know that the newest version is the floor.
func (w *world) heal(t *testing.T) {
	t.Helper()
	for began := time.Now(); !w.settleOnce(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > healing {
			for _, i := range w.instances {
				t.Errorf("%s: %d evictions are queued %s after everything is well", i.name, i.breaker.Pending(), healing)
			}
			return
		}
	}
	for k := range w.rows {
		if floor, version := w.rows[k].floor.Load(), w.rows[k].version.Load(); floor != version {
			t.Errorf("row %d: nothing is queued, but of version %d only %d is confirmed", k, version, floor)
		}
	}
	time.Sleep(2 * grace)
}

// recover wants every instance to find every row again, and of that the newest version.
func (w *world) recover(t *testing.T) {
	t.Helper()
	for _, i := range w.instances {
		if i.name == "evictor" {
			continue
		}
		for k := range w.rows {
			for began := time.Now(); !w.lookUpOnce(i, k) || i.breaker.State() != breaker.Closed; time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > healing {
					t.Errorf("%s: nothing is found %s after everything is well; the breaker is %s", i.name, healing, i.breaker.State())
					return
				}
			}
		}
	}
}

// report says what happened, and fails if something is wrong, or if too little happened to say.
func (w *world) report(t *testing.T, took time.Duration) {
	t.Helper()
	n, texts := w.total()
	faults, kinds := w.faults.total()
	var hits, collapsed, valuesFenced uint64
	for _, i := range w.instances {
		if i.values != nil {
			s := i.values.Stats()
			hits, collapsed, valuesFenced = hits+s.Hits, collapsed+s.Collapsed, valuesFenced+s.Fenced
		}
	}
	second, sample := w.tape.judge(secondTime)
	allHits := w.hits.Load() + int64(hits)
	t.Logf("soak: %s, %d reads, %d hits (%d of GetOrSet), %d collapsed, %d fills stored, %d fenced (%d of GetOrSet), "+
		"evictions: %d confirmed, %d queued at first; %d faults (%s); look-ups: %d failed, %d without a fence; "+
		"Bounded: %d stale within %v, oldest %v; porcupine: %s of %d; VIOLATIONS: %d",
		took.Round(time.Second), w.reads.Load(), allHits, hits, collapsed, w.stored.Load(), w.fenced.Load()+int64(valuesFenced),
		valuesFenced, w.confirmed.Load(), w.pending.Load(), faults, kinds, w.failed.Load(), w.blind.Load(),
		w.young.Load(), grace, time.Duration(w.oldest.Load()).Round(time.Millisecond), second, sample, n)
	if second == porcupine.Illegal {
		t.Error("porcupine finds no order in which this could have happened")
	}
	for _, text := range texts {
		t.Error(text)
	}
	if n > 0 {
		t.Logf("before the first violation:%s", w.before)
	}
	if n > len(texts) {
		t.Errorf("and %d more violations", n-len(texts))
	}
	if least := int64(*length / time.Second); allHits < 200*least || w.confirmed.Load() < 5*least || int64(faults) < least ||
		w.fenced.Load() == 0 || collapsed == 0 || hits == 0 {
		t.Error("too little happened to say anything")
	}
}
