package store_test

import (
	"context"
	"errors"
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
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour}
		src := &source{value: 1}
		src.want(t, s, o, 1, 1)
		src.set(0, errSource)
		time.Sleep(time.Minute)
		src.want(t, s, o, 1, 2)
		src.set(2, nil)
		time.Sleep(store.DefaultThrottle - 1)
		src.want(t, s, o, 1, 2)
		time.Sleep(1)
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
		o := store.Options{TTL: time.Minute, EagerRefresh: 0.8}
		src := &source{value: 1, takes: time.Second}
		src.want(t, s, o, 1, 1)
		src.set(2, nil)
		time.Sleep(48*time.Second - 1)
		src.want(t, s, o, 1, 1)
		time.Sleep(1)
		for range 10 {
			took(t, 0, func() { src.wantValue(t, s, o, 1) })
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
		o := store.Options{TTL: 10 * time.Minute, EagerRefresh: 0.5}
		src := &source{value: 1}
		src.want(t, s, o, 1, 1)
		src.set(0, errSource)
		time.Sleep(5 * time.Minute)
		for range 3 {
			src.wantValue(t, s, o, 1)
			synctest.Wait()
		}
		src.want(t, s, o, 1, 2)
		time.Sleep(store.DefaultThrottle)
		src.set(2, nil)
		src.wantValue(t, s, o, 1)
		synctest.Wait()
		src.want(t, s, o, 2, 3)
	})
}

// A refresh is a load like any other to an eviction.
func TestI1_AnEvictionBeatsARefresh(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		o := store.Options{TTL: time.Minute, EagerRefresh: 0.5, Tags: []string{"tag"}}
		src := &source{value: 1, takes: time.Second}
		src.want(t, s, o, 1, 1)
		time.Sleep(30 * time.Second)
		src.wantValue(t, s, o, 1)
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

// Adaptive TTL: the load decides.
func TestTheLoadDecides(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		loads := 0
		decide := func(f func(e *store.Entry)) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				loads++
				f(store.Current(ctx))
				return loads, nil
			}
		}
		for i, row := range []struct {
			decide func(e *store.Entry)
			lives  time.Duration
		}{
			{func(*store.Entry) {}, time.Minute},
			{func(e *store.Entry) { e.TTL(time.Hour) }, time.Hour},
			{func(e *store.Entry) { e.TTL(time.Second) }, time.Second},
			{func(e *store.Entry) { e.TTL(0) }, 0},
			{func(e *store.Entry) { e.NoStore() }, 0},
			{func(e *store.Entry) { e.Until(time.Now().Add(time.Second)) }, time.Second},
			{func(e *store.Entry) { e.Until(time.Now()) }, 0},
			{func(e *store.Entry) { e.Of(store.Key("k", 7)).TTL(time.Second) }, time.Second},
			{func(e *store.Entry) { e.Of("another").TTL(time.Second) }, time.Minute},
			{func(e *store.Entry) { e.Tag("bad\x00tag") }, 0},
			{func(e *store.Entry) { e.Tag(make([]string, 65)...) }, 0},
		} {
			key, o := store.Key("k", i), store.For(time.Minute)
			before := loads
			get := func(loaded bool) {
				t.Helper()
				want := before + 1
				if loaded {
					want++
				}
				got, err := store.GetOrSet(t.Context(), s, key, o, decide(row.decide))
				if err != nil || got != want || loads != want {
					t.Errorf("%d: %d, %v after %d loads, want %d", i, got, err, loads, want)
				}
			}
			get(false)
			if row.lives > 0 {
				time.Sleep(row.lives - 1)
				get(false)
				time.Sleep(1)
			}
			get(true)
		}
	})
}

// Tags that the load names evict, also if they were evicted while it ran.
func TestTheLoadsTags(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		loads := 0
		load := func(ctx context.Context) (int, error) {
			loads++
			if loads == 3 {
				if err := s.Evict(t.Context(), "brand:b"); err != nil {
					t.Error(err)
				}
			}
			e := store.Current(ctx)
			e.Tag("brand:a")
			e.Tag("brand:b")
			return loads, nil
		}
		get := func(want int) {
			t.Helper()
			if got, err := store.GetOrSet(t.Context(), s, "k", store.For(time.Minute, "product:7"), load); got != want || err != nil {
				t.Errorf("%d, %v, want %d", got, err, want)
			}
		}
		get(1)
		get(1)
		for i, tag := range []string{"brand:a", "brand:b"} {
			if err := s.Evict(t.Context(), tag); err != nil {
				t.Error(err)
			}
			get(2 + i)
		}
		get(4) // the third was evicted as it was loaded
		get(4)
		store.Current(t.Context()).Tag("no load") // does nothing
	})
}

// Conditional refresh: the source says that what is there is still right.
func TestConditionalRefresh(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour, Tags: []string{"tag"}}
		modified := time.Unix(1000, 0)
		full, unchanged := 0, 0
		version := `"v1"`
		load := func(ctx context.Context) (row, error) {
			e := store.Current(ctx)
			if etag, since := e.Validators(); etag == version && since.Equal(modified) {
				unchanged++
				return row{}, e.NotModified()
			}
			full++
			e.SetValidators(version, modified)
			e.Tag("from the load")
			return row{ID: full}, nil
		}
		get := func(id, fulls, unchangeds int) {
			t.Helper()
			r, err := store.GetOrSet(t.Context(), s, "k", o, load)
			if err != nil || r.ID != id || full != fulls || unchanged != unchangeds {
				t.Errorf("%d, %v after %d loads and %d confirmations", r.ID, err, full, unchanged)
			}
		}
		get(1, 1, 0)
		time.Sleep(time.Minute)
		get(1, 1, 1)
		time.Sleep(time.Minute - 1) // kept for a whole TTL again
		get(1, 1, 1)
		time.Sleep(1)
		get(1, 1, 2) // with its validators, too
		version = `"v2"`
		time.Sleep(time.Minute)
		get(2, 2, 2)
		time.Sleep(time.Minute)
		get(2, 2, 3)
		// It has kept the tags that the load gave it.
		if err := s.Evict(t.Context(), "from the load"); err != nil {
			t.Error(err)
		}
		get(3, 3, 3)
	})
}

// Without anything to be about, NotModified is an error like another.
func TestNotModifiedOfNothing(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		_, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, func(ctx context.Context) (int, error) {
			if etag, modified := store.Current(ctx).Validators(); etag != "" || !modified.IsZero() {
				t.Errorf("validators %q and %v of nothing", etag, modified)
			}
			return 0, store.Current(ctx).NotModified()
		})
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

// Negative caching: absence is remembered for a time of its own.
func TestNegative(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		o := store.Options{TTL: time.Hour, Negative: 10 * time.Second, StaleIfError: time.Hour, Tags: []string{"tag"}}
		src := &source{err: store.ErrNotFound}
		src.wantErr(t, s, o, store.ErrNotFound, 1)
		src.set(1, nil)
		time.Sleep(10*time.Second - 1)
		src.wantErr(t, s, o, store.ErrNotFound, 1)
		if _, found, err := store.Get[int](t.Context(), s, "k"); found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
		time.Sleep(1)
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
		src := &source{err: store.ErrNotFound}
		src.wantErr(t, s, store.Options{}, store.ErrNotFound, 1)
		src.wantErr(t, s, store.Options{}, store.ErrNotFound, 2)
	})
}

// Sliding: a value that nobody asks for ends early, one that is asked for at its TTL.
func TestSliding(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
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
		src := &source{value: 1}
		midnight := time.Now().Add(2 * time.Hour)
		src.want(t, s, store.Options{Until: midnight}, 1, 1) // longer than the default TTL
		time.Sleep(2*time.Hour - 1)
		src.want(t, s, store.Options{Until: midnight}, 1, 1)
		time.Sleep(1)
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
