package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
)

func TestI2_AnEvictionThatIsNotConfirmedIsQueuedAndHonoured(t *testing.T) {
	t.Parallel()
	for what, row := range map[string]struct {
		fault func(context.Context, op, []string) error
		takes time.Duration
	}{"an error": {down, 0}, "no answer": {hung, 500 * time.Millisecond}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, breaker.Config{})
				r.put("k", "old", "a", "b")
				r.put("l", "v", "c")
				r.back.is(only(row.fault, evict, remove))
				takes(t, row.takes, func() { r.pends("b") })
				r.misses("k")
				r.hits("l", "v") // the others are served
				r.in(breaker.Closed)
				takes(t, 0, func() { // behind the first, at once
					if err := r.Delete(t.Context(), "l"); !errors.Is(err, store.ErrEvictionPending) {
						t.Errorf("Delete = %v", err)
					}
				})
				r.misses("l")
				// What is filled now cannot be told from what was filled before.
				r.offer(store.Refused, "k", "new", r.misses("k"), "b")
				r.offer(store.Refused, "l", "new", r.misses("l"))
				r.put("m", "v", "a")
				time.Sleep(time.Minute)
				r.misses("k")
				if r.Pending() != 2 || r.Queue() != "kl tb " {
					t.Fatalf("queue %q", r.Queue())
				}
				r.back.is(nil)
				time.Sleep(6 * time.Second) // the longest wait, and a fifth
				if n := r.Pending(); n != 0 {
					t.Fatalf("%d still pending", n)
				}
				r.misses("k")
				r.misses("l")
				r.put("k", "new", "a", "b")
				r.hits("k", "new")
				r.evicted("a")
			})
		})
	}
}

func TestI2_NothingIsBelievedBeforeTheJournalIsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("k", "old", "a")
		r.put("l", "v", "b")
		r.trip()
		takes(t, 0, func() { r.pends("a") })
		if n := r.back.count(evict); n != 0 {
			t.Errorf("the writer waited for %d calls", n)
		}
		// It answers look-ups again, and no evictions.
		r.back.is(only(down, evict))
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			if f := r.misses("l"); f != (store.Fence{}) {
				t.Fatal("a look-up was believed with an eviction queued from an outage")
			}
			if r.State() == breaker.Closed {
				t.Fatal("closed")
			}
		}
		r.back.is(nil)
		time.Sleep(6 * time.Second)
		r.in(breaker.Closed)
		r.misses("k")
		r.hits("l", "v")
	})
}

// TestItRetriesAfterTwiceAsLong reads the times of the tries off the backend.
func TestItRetriesAfterTwiceAsLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		var tries []time.Time
		r.back.is(func(context.Context, op, []string) error {
			tries = append(tries, time.Now())
			return errDown
		})
		r.pends("a")
		time.Sleep(time.Minute)
		r.back.is(nil)
		synctest.Wait()
		want := 50 * time.Millisecond
		for i := 1; i < len(tries); i++ {
			if d := tries[i].Sub(tries[i-1]); d < want*8/10 || d > want*12/10 {
				t.Errorf("try %d came after %v, want %v give or take a fifth", i, d, want)
			}
			want = min(2*want, time.Second)
		}
		if len(tries) < 15 {
			t.Errorf("%d tries in a minute", len(tries))
		}
	})
}

// TestTheRetryIsTheProbe: with an eviction queued the breaker need not wait for its own time.
func TestTheRetryIsTheProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("l", "v", "b")
		r.trip()
		r.pends("a")
		time.Sleep(200 * time.Millisecond)
		r.back.is(nil)
		time.Sleep(300 * time.Millisecond)
		r.in(breaker.Closed)
		r.hits("l", "v")
	})
}

// TestI2_AnEvictionAskedForAgainIsSentAgain: the first one is at the backend, which has taken its tick, when the same
// tag is evicted once more.
func TestI2_AnEvictionAskedForAgainIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.back.is(only(down, evict))
		r.pends("a")
		r.back.is(nil)
		r.back.then(func(what op, _ []string) error { // it is done, and its answer takes a while
			if what == evict {
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		})
		time.Sleep(90 * time.Millisecond) // the retry is on its way
		before := r.back.count(evict)
		// Another instance fills, without this breaker, between the two.
		found, _ := r.back.memory.Lookup(t.Context(), "k")
		if _, err := r.back.memory.Store(t.Context(), "k", record("old", found[0].Fence, "a")); err != nil {
			t.Fatal(err)
		}
		r.pends("a")
		r.misses("k")
		time.Sleep(20 * time.Millisecond)
		time.Sleep(time.Second)
		if n := r.Pending(); n != 0 || r.back.count(evict) != before+1 {
			t.Errorf("%d pending after %d more evictions, want 0 after 1", n, r.back.count(evict)-before)
		}
		r.misses("k")
	})
}

// TestOneThatTheBackendRefusesKeepsNoOther: its error is about the command, not about the backend.
func TestOneThatTheBackendRefusesKeepsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.back.is(func(_ context.Context, what op, names []string) error {
			for _, n := range names {
				if n == "bad" && what == evict {
					return errors.New("ERR bad argument")
				}
			}
			return nil
		})
		r.pends("bad")
		for i := range 1000 {
			r.pends(fmt.Sprint("tag", i))
		}
		time.Sleep(time.Minute)
		if q := r.Queue(); q != "tbad " {
			t.Errorf("queue %.100q, want only the bad one", q)
		}
	})
}

func TestI2_OverflowLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{MaxPending: 10})
		r.put("other", "v", "b")
		var tags []string
		for i := range 30 {
			tags = append(tags, fmt.Sprint("tag", i))
			r.put(tags[i], "old", tags[i])
		}
		fence := r.misses("new")
		r.back.is(only(down, evict))
		for i := range 10 {
			r.pends(tags[i])
		}
		r.hits("other", "v")
		for i := 10; i < 30; i++ {
			r.pends(tags[i])
		}
		r.misses("other") // not looked into any more
		r.offer(store.Refused, "new", "v", fence, "c")
		if n := r.Pending(); n != 30 {
			t.Fatalf("%d pending, want all 30", n)
		}
		// Only some are confirmed: it is not over.
		r.back.is(func(_ context.Context, what op, names []string) error {
			if what == evict && (len(names) > 1 || names[0] == tags[29]) {
				return errors.New("ERR not this")
			}
			return nil
		})
		time.Sleep(time.Minute)
		if n := r.Pending(); n != 1 {
			t.Fatalf("%d pending, want 1", n)
		}
		r.misses("other")
		r.back.is(nil)
		time.Sleep(6 * time.Second)
		for _, tag := range tags {
			r.misses(tag)
		}
		r.hits("other", "v")
	})
}

// wholesale can evict everything.
type wholesale struct {
	*flaky

	all *atomic.Int64
}

func (w wholesale) EvictAll(ctx context.Context) error {
	if err := w.begin(ctx, evict, "*"); err != nil {
		return err
	}
	w.all.Add(1)
	return w.memory.Evict(ctx, "b", "c") // what this test uses
}

func TestI2_OverflowEvictsEverythingIfTheBackendCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := newFlaky()
		w := wholesale{back, &atomic.Int64{}}
		r := around(t, back, w, breaker.Config{MaxPending: 10})
		r.put("other", "v", "b")
		fence := r.misses("new")
		back.is(only(down, evict))
		for i := range 1000 {
			r.pends(fmt.Sprint("tag", i))
		}
		if q := r.Queue(); q != "* " {
			t.Fatalf("queue %.60q, want one name for everything", q)
		}
		r.misses("other")
		r.offer(store.Refused, "new", "v", fence, "c")
		back.is(nil)
		time.Sleep(6 * time.Second)
		if w.all.Load() != 1 || r.Pending() != 0 {
			t.Errorf("EvictAll was called %d times, %d pending", w.all.Load(), r.Pending())
		}
		r.misses("other")
		r.offer(store.Fenced, "new", "v", fence, "c")
		r.put("other", "w", "b")
		r.evicted("b")
	})
}

func TestCloseSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.back.is(only(down, evict, remove))
		r.pends("user:alice", "user:bob")
		_ = r.Delete(t.Context(), "k")
		takes(t, 2*time.Second, func() {
			err := r.Close()
			if err == nil || !strings.Contains(err.Error(), "2 tags and 1 keys") || strings.Contains(err.Error(), "alice") {
				t.Errorf("Close = %v, want how many, and not which", err)
			}
		})
		if err := r.Close(); err != nil {
			t.Errorf("a second Close = %v", err)
		}
		if err := r.Evict(t.Context(), "a"); !errors.Is(err, breaker.ErrClosed) || errors.Is(err, store.ErrEvictionPending) {
			t.Errorf("Evict after Close = %v", err)
		}
	})
}

func TestCloseHasTheRestConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("k", "v", "a")
		r.back.is(only(down, evict))
		r.pends("a")
		time.Sleep(10 * time.Second) // the next retry is seconds away
		time.AfterFunc(time.Second, func() { r.back.is(nil) })
		if err := r.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if n := r.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		fault, release := stuck()
		defer release()
		r.back.is(fault)
		_, _ = r.Lookup(t.Context(), "k")
		takes(t, 2*time.Second, func() {
			if err := r.Close(); err == nil || !strings.Contains(err.Error(), "does not return") {
				t.Errorf("Close = %v", err)
			}
		})
	})
}

// TestCloseCutsARetryShort: a retry under way may have hundreds of batches to go.
func TestCloseCutsARetryShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{EvictTimeout: time.Minute})
		r.back.is(only(down, evict))
		for i := range 10_000 {
			r.pends(fmt.Sprint("tag", i))
		}
		r.back.is(func(ctx context.Context, what op, _ []string) error {
			if what != evict {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Second):
				return nil
			}
		})
		time.Sleep(10 * time.Second)
		takes(t, 2*time.Second, func() {
			if err := r.Close(); err == nil || !strings.Contains(err.Error(), "tags and 0 keys") {
				t.Errorf("Close = %v", err)
			}
		})
	})
}

func TestCloseDoesNotWaitForACallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		defer close(hold)
		r := newRig(t, breaker.Config{OnStateChange: func(breaker.State, breaker.State) { <-hold }})
		r.trip()
		synctest.Wait()
		takes(t, 4*time.Second, func() {
			if err := r.Close(); err == nil || !strings.Contains(err.Error(), "OnStateChange") {
				t.Errorf("Close = %v", err)
			}
		})
	})
}

// Who has heard of the backend need not wait for the keeper: what is queued is sent at once, and the backend is believed a
// moment later, when other instances have had the time to do the same.
func TestRetryWhenTheBackendIsHeardOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("k", "v", "a")
		r.back.is(down)
		r.trip()
		r.pends("a")
		time.Sleep(time.Minute) // the waits are long by now
		r.back.is(nil)
		r.in(breaker.Open)
		r.Retry()
		synctest.Wait()
		if n := r.Pending(); n != 0 {
			t.Errorf("%d evictions are queued", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r.in(breaker.Closed)
		r.misses("k")
	})
}

// Without anything queued it is not believed before others have sent theirs.
func TestRetryLetsOthersGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.back.is(down)
		r.trip()
		time.Sleep(time.Minute)
		before := r.back.count(lookup)
		for r.back.count(lookup) == before { // when it has just asked, the next time is seconds away
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		r.back.is(nil)
		before = r.back.count(lookup)
		r.Retry()
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if r.State() != breaker.Open || r.back.count(lookup) != before {
			t.Error("it was asked at once")
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		r.in(breaker.Closed)
	})
}
