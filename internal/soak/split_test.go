package soak_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store/redisstore"
)

// splits are what was counted while there were two masters, and until what came of it was over: no promise holds then.
type splits struct {
	from, until atomic.Int64    // in nanoseconds since 1970; 0: not yet
	old         map[string]bool // the instances that stayed with the old master
	reads       [2]atomic.Int64 // of the new master's instances, and of the old one's
	stale       [2]atomic.Int64
	confirmed   atomic.Int64    // evictions, while there were two masters
	last        [2]atomic.Int64 // the latest stale read, in nanoseconds since the split began
}

// excused counts a read, and reports whether it was asked while no promise held.
func (s *splits) excused(name string, at time.Time, stale bool) bool {
	from, until := s.from.Load(), s.until.Load()
	now := at.UnixNano()
	if from == 0 || now < from || until > 0 && now >= until {
		return false
	}
	side := 0
	if s.old[name] {
		side = 1
	}
	s.reads[side].Add(1)
	if stale {
		s.stale[side].Add(1)
		raise(&s.last[side], now-from)
	}
	return true
}

func (s *splits) String() string {
	text := ""
	for side, name := range []string{"new", "old"} {
		text += fmt.Sprintf("; with the %s master %d of %d reads were stale, the last one %v after the split began", name,
			s.stale[side].Load(), s.reads[side].Load(), time.Duration(s.last[side].Load()).Round(time.Millisecond))
	}
	return text[2:]
}

const (
	ordinary   = time.Second // of work, before the split and after it
	splitFor   = 4 * time.Second
	noticedFor = 3500 * time.Millisecond // how long a master may take to miss its replica: the lag, and what the machine adds
)

// TestI1_SplitBrainIsCounted has a replica promoted while its master lives on and half of the fleet stays with that one. It
// counts the answers that are stale then; before, and when everything that was kept meanwhile has ended, there are none.
func TestI1_SplitBrainIsCounted(t *testing.T) {
	t.Parallel()
	for name, minimum := range map[string]string{"min-replicas-to-write 0": "0", "min-replicas-to-write 1": "1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := splitWorld(t, variant{}, minimum)
			w.splitBrain(t, ordinary, splitFor)
			w.judgeSplit(t, minimum == "0")
		})
	}
}

// TestI1_SplitBrainHold has the same with Config.SplitBrainHold: nothing is stale at all, and evictions are confirmed in the
// split when the hold is over. The replica has one of its own, which is what the new master writes to.
func TestI1_SplitBrainHold(t *testing.T) {
	t.Parallel()
	const hold = 4 * time.Second // max-lag, and 3 s
	w := splitWorld(t, variant{hold: hold}, "1")
	w.replica.Must("CONFIG", "SET", "min-replicas-to-write", "1")
	testredis.Start(t).Follow(w.replica)
	w.splitBrain(t, hold+2*ordinary, hold+3*ordinary)
	w.logSplit(t)
	if fresh, old := w.splits.stale[0].Load(), w.splits.stale[1].Load(); fresh+old > 0 {
		t.Errorf("%d answers at the new master and %d at the old one were stale", fresh, old)
	}
	if n := w.splits.confirmed.Load(); n < 20 {
		t.Errorf("only %d evictions were confirmed in the split: the test proves nothing", n)
	}
}

// splitWorld returns a fleet over a master that wants so many replicas, and its replica.
func splitWorld(t *testing.T, v variant, minimum string) *world {
	t.Helper()
	v.pair, v.link, v.options = true, true, []string{"--min-replicas-max-lag", "1"}
	w := newWorld(t, v)
	w.command("CONFIG", "SET", "min-replicas-to-write", minimum)
	w.splits.old = map[string]bool{"plain": true, "behind": true}
	return w
}

// splitBrain lets the fleet work, with one master, with two, and with one.
func (w *world) splitBrain(t *testing.T, before, split time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	w.read()
	go func() { defer close(ended); w.run(ctx, false) }()
	time.Sleep(before)
	for _, i := range w.instances {
		if g := i.near.Grade(); g != redisstore.GradeExceptSplitBrain {
			t.Errorf("%s: the grade is %q", i.name, g)
		}
	}
	end := w.link.swallow() // the master does not notice at once that it has no replica any more
	w.split()
	confirmed := w.confirmed.Load()
	time.Sleep(split)
	w.splits.confirmed.Store(w.confirmed.Load() - confirmed)
	end()
	w.join()
	time.Sleep(ordinary) // that is judged again
	cancel()
	<-ended
	w.heal(t)
	close(w.done)
	w.readers.Wait()
	w.recover(t)
}

// split makes the replica a second master, to which a part of the fleet goes.
func (w *world) split() {
	w.splits.from.Store(time.Now().UnixNano())
	w.replica.Promote()
	for _, i := range w.instances {
		if !w.splits.old[i.name] {
			w.aim(w.replica, i)
		}
	}
}

// join ends it: the old master follows the new one, and everybody goes there. What was kept until then ends in a TTL.
func (w *world) join() {
	old, now := w.server, w.replica
	w.server, w.replica = now, old
	old.Follow(now)
	w.aim(now, w.instances...)
	time.Sleep(ttl + 2*grace)
	w.splits.until.Store(time.Now().UnixNano())
}

func (w *world) logSplit(t *testing.T) {
	t.Helper()
	n, texts := w.total()
	s := &w.splits
	t.Logf("%d reads, %d hits, evictions: %d confirmed, %d of them in the split, %d queued at first; %v; VIOLATIONS before and after: %d",
		w.reads.Load(), w.hits.Load(), w.confirmed.Load(), s.confirmed.Load(), w.pending.Load(), s, n)
	for _, text := range texts {
		t.Error(text)
	}
}

func (w *world) judgeSplit(t *testing.T, unlimited bool) {
	t.Helper()
	w.logSplit(t)
	s := &w.splits
	if s.stale[1].Load() == 0 || w.reads.Load() == s.reads[0].Load()+s.reads[1].Load() {
		t.Error("nothing was stale in the split, or nothing was read outside of it: the test proves nothing")
	}
	// A master that is told to mind refuses before long, and what it confirmed till then has ended a TTL later.
	if last := time.Duration(s.last[1].Load()); !unlimited && last > noticedFor {
		t.Errorf("%v after the split began the old master still served what was evicted", last)
	}
}
