package store_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Fail-safe: within StaleIfError an old value takes the place of an error.
func TestFailSafe(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour}
		src := &source{value: 1}
		src.want(t, s, o, 1, 1)
		src.set(0, errSource)
		time.Sleep(time.Minute)
		src.want(t, s, o, 1, 2)
		if n := s.Stats().Stale; n != 1 {
			t.Errorf("%d stale", n)
		}
		// Who does not want it gets the error.
		time.Sleep(time.Minute)
		src.wantErr(t, s, store.For(time.Minute), errSource, 3)
		// Its time is over at last.
		time.Sleep(time.Hour)
		src.wantErr(t, s, o, errSource, 4)
	})
}

// It is as old as the caller accepts, whoever kept it.
func TestFailSafeIsTheCallersWord(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := &source{value: 1}
		src.want(t, s, store.Options{TTL: time.Minute, StaleIfError: time.Hour}, 1, 1)
		src.set(0, errSource)
		time.Sleep(11 * time.Minute)
		src.wantErr(t, s, store.Options{TTL: time.Minute, StaleIfError: 10 * time.Minute}, errSource, 2)
	})
}

// Throttle: after a failure the old value is returned for a while without another load.
func TestThrottle(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour}
		src := &source{value: 1}
		src.want(t, s, o, 1, 1)
		src.set(0, errSource)
		time.Sleep(time.Minute)
		src.want(t, s, o, 1, 2)
		src.set(2, nil)
		time.Sleep(store.DefaultThrottle - 1)
		src.want(t, s, o, 1, 2)
		time.Sleep(time.Nanosecond)
		src.want(t, s, o, 2, 3)
	})
}

// What was evicted is not there to be stale, and neither is what does not exist any more.
func TestI1_AnEvictedValueIsNeverStale(t *testing.T) {
	t.Parallel()
	o := store.Options{TTL: time.Minute, StaleIfError: time.Hour, Tags: []string{"tag"}}
	for name, row := range map[string]struct {
		forget func(t *testing.T, s *store.Store, src *source)
		loads  int64
	}{
		"evicted": {func(t *testing.T, s *store.Store, _ *source) {
			t.Helper()
			if err := s.Evict(t.Context(), "tag"); err != nil {
				t.Error(err)
			}
		}, 2},
		"not found": {func(t *testing.T, s *store.Store, src *source) {
			t.Helper()
			src.set(0, store.ErrNotFound)
			src.wantErr(t, s, o, store.ErrNotFound, 2)
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubbles(t, func(t *testing.T, s *store.Store) {
				t.Helper()
				src := &source{value: 1}
				src.want(t, s, o, 1, 1)
				time.Sleep(time.Minute)
				row.forget(t, s, src)
				src.set(0, errSource)
				src.wantErr(t, s, o, errSource, row.loads)
			})
		})
	}
}

// Evicted while a load that will fail is under way: who came before may have the old value, who comes after may not.
func TestI1_EvictedDuringALoadThatFails(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour, Tags: []string{"tag"}}
		src := &source{value: 1}
		src.want(t, s, o, 1, 1)
		time.Sleep(time.Minute)
		src.set(0, errSource)
		src.take(time.Second)
		var all sync.WaitGroup
		all.Go(func() { src.want(t, s, o, 1, 2) })
		synctest.Wait()
		if err := s.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		all.Go(func() { src.wantErr(t, s, o, errSource, 2) })
		all.Wait()
	})
}

// Soft timeout: with an old value at hand nobody waits longer than that, and the load goes on.
func TestSoftTimeout(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour, SoftTimeout: 100 * time.Millisecond}
		src := &source{value: 1, takes: time.Second}
		took(t, time.Second, func() { src.want(t, s, o, 1, 1) }) // there is none at first
		src.set(2, nil)
		time.Sleep(time.Minute)
		took(t, 100*time.Millisecond, func() { src.want(t, s, o, 1, 2) })
		took(t, 100*time.Millisecond, func() { src.want(t, s, o, 1, 2) }) // waits for the same load
		time.Sleep(800 * time.Millisecond)
		synctest.Wait()
		took(t, 0, func() { src.want(t, s, o, 2, 2) })
	})
}

// Timeout: nobody waits longer than that, and the load goes on all the same.
func TestTimeout(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour, Timeout: 100 * time.Millisecond}
		src := &source{value: 1, takes: time.Second}
		took(t, 100*time.Millisecond, func() { src.wantErr(t, s, o, context.DeadlineExceeded, 1) })
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		took(t, 0, func() { src.want(t, s, o, 1, 1) })
		time.Sleep(time.Minute)
		took(t, 100*time.Millisecond, func() { src.want(t, s, o, 1, 2) }) // the old one rather than an error
		// A longer one gives the load more time.
		src.take(2 * time.Minute)
		o = store.Options{Timeout: 3 * time.Minute}
		took(t, 2*time.Minute, func() {
			if got, err := store.GetOrSet(t.Context(), s, "slow", o, src.load); got != 1 || err != nil {
				t.Errorf("%d, %v", got, err)
			}
		})
	})
}

// took insists on how long f takes.
func took(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if d := time.Since(began); d != want {
		t.Errorf("it took %v, want %v", d, want)
	}
}

// Eager refresh: a hit late in a value's life loads it anew, once and in the background.
func TestEagerRefresh(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, EagerRefresh: 0.8}
		src := &source{value: 1, takes: time.Second}
		src.want(t, s, o, 1, 1)
		src.set(2, nil)
		time.Sleep(48*time.Second - 1)
		src.want(t, s, o, 1, 1)
		time.Sleep(time.Nanosecond)
		for range 10 {
			took(t, 0, func() { src.wantOne(t, s, o) })
		}
		synctest.Wait()
		took(t, 0, func() { src.want(t, s, o, 1, 2) })
		time.Sleep(time.Second)
		synctest.Wait()
		src.want(t, s, o, 2, 2)
		// The new value has a whole TTL before it.
		time.Sleep(47 * time.Second)
		src.want(t, s, o, 2, 2)
	})
}

// A refresh that fails leaves the value alone, and is not tried again at once.
func TestEagerRefreshFails(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: 10 * time.Minute, EagerRefresh: 0.5}
		src := &source{value: 1}
		src.want(t, s, o, 1, 1)
		src.set(0, errSource)
		time.Sleep(5 * time.Minute)
		for range 3 {
			src.wantOne(t, s, o)
			synctest.Wait()
		}
		src.want(t, s, o, 1, 2)
		time.Sleep(store.DefaultThrottle)
		src.set(2, nil)
		src.wantOne(t, s, o)
		synctest.Wait()
		src.want(t, s, o, 2, 3)
	})
}

// A refresh is a load like any other to an eviction.
func TestI1_AnEvictionBeatsARefresh(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, EagerRefresh: 0.5, Tags: []string{"tag"}}
		src := &source{value: 1, takes: time.Second}
		src.want(t, s, o, 1, 1)
		time.Sleep(30 * time.Second)
		src.wantOne(t, s, o)
		synctest.Wait() // the refresh has read 1
		src.set(2, nil)
		if err := s.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		src.want(t, s, o, 2, 3)
		time.Sleep(time.Second)
		synctest.Wait()
		src.want(t, s, o, 2, 3)
	})
}

// Jitter only ever shortens, and by no more than it says.
func TestJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memstore.New(memstore.Config{}), store.Config{})
		o := store.Options{TTL: 100 * time.Second, Jitter: 0.2}
		lived := map[time.Duration]int{}
		for i := range 50 {
			key := store.Key("k", i)
			if err := store.Set(t.Context(), s, key, o, i); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for {
				if _, found, err := store.Get[int](t.Context(), s, key); err != nil {
					t.Fatal(err)
				} else if !found {
					break
				}
				time.Sleep(time.Second)
			}
			lived[time.Since(began)]++
		}
		for d, n := range lived {
			if d < 80*time.Second || d > 100*time.Second {
				t.Errorf("%d lived %v", n, d)
			}
		}
		if len(lived) < 5 {
			t.Errorf("they live for %v: that is no jitter", lived)
		}
	})
}

// Negative caching: absence is remembered for a time of its own.
func TestNegative(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Hour, Negative: 10 * time.Second, StaleIfError: time.Hour, Tags: []string{"tag"}}
		src := &source{err: store.ErrNotFound}
		src.wantErr(t, s, o, store.ErrNotFound, 1)
		src.set(1, nil)
		time.Sleep(10*time.Second - 1)
		src.wantErr(t, s, o, store.ErrNotFound, 1)
		if _, found, err := store.Get[int](t.Context(), s, "k"); found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
		time.Sleep(time.Nanosecond)
		src.want(t, s, o, 1, 2)
		// It can be evicted like a value.
		src.set(0, store.ErrNotFound)
		if err := s.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		src.wantErr(t, s, o, store.ErrNotFound, 3)
		src.set(2, nil)
		if err := s.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		src.want(t, s, o, 2, 4)
	})
}

// Without Negative it is not remembered.
func TestNotFoundIsNotKept(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := &source{err: store.ErrNotFound}
		src.wantErr(t, s, store.Options{}, store.ErrNotFound, 1)
		src.wantErr(t, s, store.Options{}, store.ErrNotFound, 2)
	})
}

// Sliding: a value that nobody asks for ends early, one that is asked for at its TTL.
func TestSliding(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Hour, Sliding: 10 * time.Minute}
		src := &source{value: 1}
		src.want(t, s, o, 1, 1)
		for range 6 {
			time.Sleep(9 * time.Minute)
			src.want(t, s, o, 1, 1)
		}
		time.Sleep(6 * time.Minute) // an hour is over
		src.want(t, s, o, 1, 2)
		time.Sleep(10 * time.Minute)
		src.want(t, s, o, 1, 3)
		// Until is a limit as TTL is.
		o = store.Options{Until: time.Now().Add(15 * time.Minute), Sliding: 10 * time.Minute}
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Error(err)
		}
		src.want(t, s, o, 1, 4)
		time.Sleep(9 * time.Minute)
		src.want(t, s, o, 1, 4)
		time.Sleep(6 * time.Minute)
		src.want(t, s, o, 1, 5)
	})
}

func TestUntil(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := &source{value: 1}
		midnight := time.Now().Add(2 * time.Hour)
		src.want(t, s, store.Options{Until: midnight}, 1, 1) // longer than the default TTL
		time.Sleep(2*time.Hour - 1)
		src.want(t, s, store.Options{Until: midnight}, 1, 1)
		time.Sleep(time.Nanosecond)
		src.want(t, s, store.Options{Until: midnight}, 1, 2) // over: it is not kept
		src.want(t, s, store.Options{TTL: time.Hour, Until: midnight}, 1, 3)
		src.want(t, s, store.Options{TTL: time.Hour, Until: time.Now().Add(2 * time.Hour)}, 1, 4)
		time.Sleep(time.Hour)
		src.want(t, s, store.Options{}, 1, 5)
	})
}

func TestMaxBytes(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		for size, kept := range map[int]bool{10: true, 11: false} {
			loads := 0
			for range 2 {
				b, err := store.GetOrSet(t.Context(), s, store.Key("k", size), store.Options{MaxBytes: 10},
					func(context.Context) ([]byte, error) {
						loads++
						return make([]byte, size), nil
					})
				if len(b) != size || err != nil {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			}
			if (loads == 1) != kept {
				t.Errorf("%d bytes: %d loads", size, loads)
			}
		}
	})
}
