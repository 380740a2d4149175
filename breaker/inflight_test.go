package breaker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
)

// What begins before an eviction and ends after it, at every moment in between.

func TestI1_AFillFromBeforeAQueuedEvictionIsNeverKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		before := r.misses("k")
		r.back.is(only(down, evict, remove))
		r.pends("a")
		if err := r.Delete(t.Context(), "l"); !errors.Is(err, store.ErrEvictionPending) {
			t.Fatal(err)
		}
		r.offer(store.Refused, "k", "old", before, "b", "a") // queued: the backend would keep it
		r.offer(store.Refused, "l", "old", before)
		between := r.misses("k")
		r.back.is(nil)
		time.Sleep(time.Second)
		r.offer(store.Fenced, "k", "old", before, "b", "a")         // confirmed: the backend knows
		r.offer(store.Fenced, "l", "old", before)                   //
		r.offer(store.Fenced, "k", "new, maybe", between, "b", "a") // too much, and safe
		r.offer(store.Stored, "k", "new", r.misses("k"), "b", "a")  //
		r.offer(store.Stored, "m", "of neither", before, "b", "c")  //
		r.hits("k", "new")
	})
}

func TestI1_AFillFromBeforeAnOutageIsNotKeptAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		before := r.misses("k")
		r.trip()
		r.pends("a")
		r.offer(store.Refused, "k", "old", before, "a")
		r.back.is(nil)
		time.Sleep(2 * time.Second)
		r.in(breaker.Closed)
		r.offer(store.Fenced, "k", "old", before, "a")
		r.offer(store.Stored, "k", "other", before, "b")
	})
}

// slowly lets one operation take its time after it is done.
func slowly(what op, d time.Duration) func(op, []string) error {
	return func(o op, _ []string) error {
		if o == what {
			time.Sleep(d)
		}
		return nil
	}
}

// TestI1_AStoreThatAnEvictionOvertakesIsNotCalledStored: the backend has kept the record, and before it says so an
// eviction is queued, and in the second row confirmed. Who came after that eviction and waits for the record must not
// get it.
func TestI1_AStoreThatAnEvictionOvertakesIsNotCalledStored(t *testing.T) {
	t.Parallel()
	for what, confirmed := range map[string]bool{"queued": false, "queued and confirmed": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, breaker.Config{StoreTimeout: time.Second})
				fence := r.misses("k")
				r.back.then(slowly(keep, 500*time.Millisecond))
				done := make(chan store.Verdict)
				go func() {
					v, err := r.Store(t.Context(), "k", record("old", fence, "a"))
					if !errors.Is(err, store.ErrEvictionPending) {
						t.Errorf("Store: %v", err)
					}
					done <- v
				}()
				synctest.Wait()
				r.back.is(only(down, evict))
				r.pends("a")
				if confirmed {
					r.back.is(nil)
					time.Sleep(300 * time.Millisecond)
					if n := r.Pending(); n != 0 {
						t.Fatalf("%d pending", n)
					}
				}
				if v := <-done; v != store.Unknown {
					t.Errorf("Store = %v, want unknown", v)
				}
				r.misses("k")
			})
		})
	}
}

// TestI1_ALookUpThatAConfirmationOvertakesIsAMiss: the look-up begins with the eviction queued, the backend answers it
// with what it has, and by the time the answer is here the eviction is confirmed and in no list.
func TestI1_ALookUpThatAConfirmationOvertakesIsAMiss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{LookupTimeout: time.Second})
		r.put("k", "old", "a")
		r.back.is(only(down, evict))
		r.pends("a")
		r.back.is(nil)
		r.back.then(slowly(lookup, 500*time.Millisecond))
		done := make(chan store.Found)
		go func() { done <- r.find("k") }()
		time.Sleep(400 * time.Millisecond)
		if n := r.Pending(); n != 0 {
			t.Fatalf("%d pending", n)
		}
		if f := <-done; f.Record != nil {
			t.Errorf("found %q", f.Record.Value)
		}
	})
}

// TestI1_AnEvictionThatWasDoneAndNotConfirmedIsSafe: the answer is lost, not the eviction.
func TestI1_AnEvictionThatWasDoneAndNotConfirmedIsSafe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("k", "old", "a")
		r.back.then(func(what op, _ []string) error {
			if what == evict {
				return context.DeadlineExceeded
			}
			return nil
		})
		r.pends("a")
		r.misses("k")
		r.offer(store.Refused, "k", "new", r.misses("k"), "a")
		r.back.is(nil)
		time.Sleep(time.Second)
		r.put("k", "new", "a")
		r.hits("k", "new")
	})
}
