package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
)

func TestItOpensAfterFiveFailuresInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("k", "v")
		r.back.is(down)
		for range 4 {
			if _, err := r.Lookup(t.Context(), "k"); !errors.Is(err, errDown) {
				t.Fatalf("Lookup = %v, want the backend's error", err)
			}
		}
		r.back.is(nil)
		r.hits("k", "v") // ends the row
		r.back.is(down)
		for i := range 5 {
			r.in(breaker.Closed)
			if i == 2 {
				r.offer(store.Unknown, "k", "w", store.Fence{Epoch: [16]byte{1}}) // counts as well
			} else {
				_, _ = r.Lookup(t.Context(), "k")
			}
		}
		r.in(breaker.Open)
		before := r.back.count(lookup)
		takes(t, 0, func() {
			if f := r.misses("k"); f != (store.Fence{}) {
				t.Errorf("the fence is %v, want none", f)
			}
			r.offer(store.Refused, "k", "w", store.Fence{Epoch: [16]byte{1}})
		})
		if r.back.count(lookup) != before {
			t.Error("a call has reached the backend")
		}
	})
}

func TestItOpensWhenHalfOfTwentyFail(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		failing, rounds int
		pause           time.Duration
		want            breaker.State
	}{
		{2, 11, 0, breaker.Open},                 // 11 of 22
		{2, 9, 0, breaker.Closed},                // too few to tell
		{3, 40, 0, breaker.Closed},               // a third
		{2, 40, 2 * time.Second, breaker.Closed}, // never twenty in ten seconds
		{2, 40, 200 * time.Millisecond, breaker.Open},
	} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, breaker.Config{})
				for i := range row.rounds * row.failing {
					if r.State() != breaker.Closed {
						break
					}
					r.back.is(nil)
					if i%row.failing == 0 {
						r.back.is(down)
					}
					_, _ = r.Lookup(t.Context(), "k")
					time.Sleep(row.pause)
				}
				if got := r.State(); (got == breaker.Closed) != (row.want == breaker.Closed) {
					t.Errorf("State = %v, want %v", got, row.want)
				}
			})
		})
	}
}

func TestWhatIsNotTheBackendsFaultDoesNotOpenIt(t *testing.T) {
	t.Parallel()
	cancelled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Millisecond, cancel)
		return ctx, cancel
	}
	hurried := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 10*time.Millisecond)
	}
	patient := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 70*time.Millisecond)
	}
	says := func(text string) func(context.Context, op, []string) error {
		return func(context.Context, op, []string) error { return fmt.Errorf("driver: %w", errors.New(text)) }
	}
	for what, row := range map[string]struct {
		fault func(context.Context, op, []string) error
		with  func(context.Context) (context.Context, context.CancelFunc)
		want  breaker.State
	}{
		"misses":                             {nil, nil, breaker.Closed},
		"the caller's cancellation":          {hung, cancelled, breaker.Closed},
		"the caller's deadline":              {hung, hurried, breaker.Closed},
		"a caller who has more time than we": {hung, patient, breaker.Open},
		"our budget":                         {hung, nil, breaker.Open},
		"out of memory":                      {says("OOM command not allowed when used memory > 'maxmemory'"), nil, breaker.Closed},
		"another type":                       {says("WRONGTYPE Operation against a key"), nil, breaker.Closed},
		"a replica":                          {says("READONLY You can't write against a read only replica."), nil, breaker.Open},
		"something unknown":                  {says("ERR no such thing"), nil, breaker.Open},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, breaker.Config{})
				r.back.is(row.fault)
				for range 60 {
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if row.with != nil {
						ctx, cancel = row.with(ctx)
					}
					_, _ = r.Lookup(ctx, "k")
					cancel()
					if r.State() != breaker.Closed {
						break
					}
				}
				r.in(row.want)
			})
		})
	}
}

// TestOnlyItsOwnGoroutineProbes counts what reaches a backend that fails, second by second.
func TestOnlyItsOwnGoroutineProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.trip()
		tripped, before := time.Now(), len(r.back.lookups())
		for range 600 { // a minute of requests
			time.Sleep(100 * time.Millisecond)
			r.misses("k")
			r.offer(store.Refused, "k", "v", store.Fence{Epoch: [16]byte{1}})
		}
		probes := r.back.lookups()[before:]
		at := tripped
		for i, seconds := range []int{1, 2, 4, 8, 10, 10, 10} {
			if i >= len(probes) {
				break
			}
			want := time.Duration(seconds) * time.Second
			if waited := probes[i].Sub(at); waited < want*8/10 || waited > want*12/10+time.Millisecond {
				t.Errorf("probe %d came %v after the one before, want %v give or take a fifth", i, waited, want)
			}
			at = probes[i]
		}
		if n := len(probes); n < 6 || n > 9 {
			t.Errorf("%d probes in a minute", n)
		}
		if n := r.back.count(keep); n != 0 {
			t.Errorf("%d stores have reached the backend", n)
		}
	})
}

func TestItClosesWhenTheBackendIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		r := newRig(t, breaker.Config{OnStateChange: func(from, to breaker.State) {
			told = append(told, from.String()+" > "+to.String())
		}})
		r.put("k", "v")
		r.trip()
		time.Sleep(1300 * time.Millisecond) // a probe in vain
		r.in(breaker.Open)
		r.back.is(nil)
		time.Sleep(2500 * time.Millisecond)
		r.in(breaker.Closed)
		r.hits("k", "v")
		synctest.Wait()
		want := []string{
			"closed > open", "open > half-open", "half-open > open", "open > half-open", "half-open > closed",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told of %q, want %q", told, want)
		}
		// And it begins anew: five more, one second.
		r.trip()
		r.back.is(nil)
		time.Sleep(1300 * time.Millisecond)
		r.in(breaker.Closed)
	})
}

// TestItWaitsLongerForWhoIsWellOnlyWhenProbed has a backend that fails as soon as it is believed.
func TestItWaitsLongerForWhoIsWellOnlyWhenProbed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		var waits []time.Duration
		for range 6 {
			r.trip()
			began := time.Now()
			r.back.is(nil)
			for r.State() != breaker.Closed {
				time.Sleep(10 * time.Millisecond)
			}
			waits = append(waits, time.Since(began))
		}
		for i, want := range []time.Duration{1, 1, 2, 2, 2, 2} {
			if d := waits[i].Seconds() / float64(want); d < 0.8 || d > 1.25 {
				t.Errorf("after %d openings it waited %v, want %d s give or take a fifth", i+1, waits[i], want)
			}
		}
		// What lasts begins anew.
		time.Sleep(11 * time.Second)
		r.trip()
		r.back.is(nil)
		time.Sleep(1300 * time.Millisecond)
		r.in(breaker.Closed)
	})
}

// TestItTellsWhileACallHangs wants to hear of a change although the breaker's goroutine waits for the backend.
func TestItTellsWhileACallHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		r := newRig(t, breaker.Config{EvictTimeout: 10 * time.Second, OnStateChange: func(_, to breaker.State) {
			if to == breaker.Open {
				told.Store(time.Now().UnixNano())
			}
		}})
		r.back.is(func(ctx context.Context, o op, _ []string) error {
			if o == evict {
				select {
				case <-time.After(8 * time.Second):
				case <-ctx.Done():
				}
			}
			return errDown
		})
		go func() { _ = r.Evict(context.Background(), "a") }()
		time.Sleep(9 * time.Second) // the first try has failed, the keeper's is under way
		for range 5 {
			_, _ = r.Lookup(context.Background(), "k")
		}
		synctest.Wait()
		if told.Load() != time.Now().UnixNano() {
			t.Error("nobody was told at once that it is open")
		}
	})
}

// TestAProbeMustKeepTheBudget: who takes 200 ms would open the breaker again at once.
func TestAProbeMustKeepTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.trip()
		r.back.is(func(context.Context, op, []string) error {
			time.Sleep(200 * time.Millisecond)
			return nil
		})
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			if r.State() == breaker.Closed {
				t.Fatal("closed over a backend that is too slow")
			}
		}
	})
}

// pinging has a Ping of its own.
type pinging struct {
	*flaky

	pings *atomic.Int64
	fails *atomic.Bool
}

func (p pinging) Ping(context.Context) error {
	p.pings.Add(1)
	if p.fails.Load() {
		return errDown
	}
	return nil
}

func TestAProbePingsIfItCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := newFlaky()
		p := pinging{back, &atomic.Int64{}, &atomic.Bool{}}
		r := around(t, back, p, breaker.Config{})
		r.trip()
		p.fails.Store(true)
		back.is(nil)
		time.Sleep(5 * time.Second)
		r.in(breaker.Open)
		p.fails.Store(false)
		time.Sleep(10 * time.Second)
		r.in(breaker.Closed)
		if p.pings.Load() < 3 {
			t.Errorf("%d pings", p.pings.Load())
		}
	})
}

// TestALateAnswerChangesNothing: calls that began before the breaker opened end after it has, well or not.
func TestALateAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{LookupTimeout: time.Second})
		r.put("k", "v")
		for i := range 10 {
			r.back.is(func(context.Context, op, []string) error {
				time.Sleep(time.Duration(i+1) * 10 * time.Millisecond)
				return nil
			})
			go func() { _, _ = r.Lookup(t.Context(), "k") }()
			synctest.Wait()
		}
		r.trip()
		for range 20 {
			time.Sleep(10 * time.Millisecond)
			r.in(breaker.Open)
			r.misses("k")
		}
	})
}
