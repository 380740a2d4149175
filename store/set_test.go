package store_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

func get(t *testing.T, s *store.Store, want int, found bool) {
	t.Helper()
	got, ok, err := store.Get[int](t.Context(), s, "k")
	if got != want || ok != found || err != nil {
		t.Errorf("%d, %v, %v; want %d, %v", got, ok, err, want, found)
	}
}

func TestSetGetDelete(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		get(t, s, 0, false)
		for i, o := range []store.Options{store.For(time.Minute), {TTL: time.Minute, Tags: []string{"tag"}}} {
			if err := store.Set(t.Context(), s, "k", o, i+1); err != nil {
				t.Error(err)
			}
			get(t, s, i+1, true)
		}
		(&source{}).want(t, s, store.Options{}, 2, 0)
		if err := s.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		get(t, s, 0, false)
		if err := store.Set(t.Context(), s, "k", store.For(time.Minute), 3); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute - 1)
		get(t, s, 3, true)
		time.Sleep(time.Nanosecond)
		get(t, s, 0, false)
		if err := store.Set(t.Context(), s, "k", store.Options{}, 4); err != nil {
			t.Error(err)
		}
		if err := errors.Join(s.Delete(t.Context(), "other", "k"), s.Delete(t.Context())); err != nil {
			t.Error(err)
		}
		get(t, s, 0, false)
		// What is not kept is not kept, and what was there is gone.
		if err := store.Set(t.Context(), s, "k", store.Options{}, 5); err != nil {
			t.Error(err)
		}
		if err := store.Set(t.Context(), s, "k", store.Options{Until: time.Now()}, 6); err != nil {
			t.Error(err)
		}
		get(t, s, 0, false)
	})
}

// A stale value is not found by Get, which has no load to confirm it.
func TestGetIsFresh(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		if err := store.Set(t.Context(), s, "k", store.Options{TTL: time.Minute, StaleIfError: time.Hour}, 1); err != nil {
			t.Error(err)
		}
		get(t, s, 1, true)
		time.Sleep(time.Minute)
		get(t, s, 0, false)
		(&source{err: errSource}).want(t, s, store.Options{StaleIfError: time.Hour}, 1, 1)
	})
}

// Of several at once one is kept, or none.
func TestSetAtOnce(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				if err := store.Set(t.Context(), s, "k", store.Options{}, i+1); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, found, err := store.Get[int](t.Context(), s, "k"); err != nil || found && (got < 1 || got > 3) {
			t.Errorf("%d, %v, %v", got, found, err)
		}
	})
}

// unhurried has every trip of a backend take a moment, before it arrives and after.
type unhurried struct {
	*memory
}

func (s unhurried) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	time.Sleep(10 * time.Millisecond)
	defer time.Sleep(10 * time.Millisecond)
	return s.memory.Lookup(ctx, keys...)
}

// Peek finds nothing: every look-up is a trip.
func (unhurried) Peek([]byte) (store.Held, time.Duration, bool) { return nil, 0, false }

func (s unhurried) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	time.Sleep(10 * time.Millisecond)
	return s.memory.Replace(ctx, key, r, tags...)
}

// What is evicted, or set, during a Set is not brought back by it.
func TestI1_AnEvictionBeatsASet(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(ctx context.Context, s *store.Store) error{
		"Evict": func(ctx context.Context, s *store.Store) error { return s.Evict(ctx, "tag") },
		"Set": func(ctx context.Context, s *store.Store) error {
			return store.Set(ctx, s, "k", store.For(time.Hour), 2)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, unhurried{memstore.New(memstore.Config{})}, store.Config{})
			var all sync.WaitGroup
			all.Go(func() {
				if err := store.Set(t.Context(), s, "k", store.For(time.Hour, "tag"), 1); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(15 * time.Millisecond) // its fence is read, and it is not there yet
			src := &source{value: 2}
			if err := forget(t.Context(), s); err != nil {
				t.Error(err)
			}
			all.Wait()
			if got, err := store.GetOrSet(t.Context(), s, "k", store.For(time.Hour, "tag"), src.load); got != 2 || err != nil {
				t.Errorf("%s: %d, %v", name, got, err)
			}
		})
	}
}

func TestSetWhatHasNoEncodedForm(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		if err := store.Set(t.Context(), s, "k", store.Options{}, math.NaN()); err == nil {
			t.Error("JSON has no NaN")
		}
		written := false
		err := store.WriteThrough(t.Context(), s, "k", store.Options{}, math.NaN(), func(context.Context, float64) error {
			written = true
			return nil
		})
		if err == nil || written {
			t.Errorf("%v, written %v", err, written)
		}
	})
}

// WriteThrough: the source first, then the cache, and the tags.
func TestWriteThrough(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.For(time.Minute, "tag")
		if err := store.Set(t.Context(), s, "k", o, 1); err != nil {
			t.Error(err)
		}
		if err := store.Set(t.Context(), s, "page", o, "of 1"); err != nil {
			t.Error(err)
		}
		// A failing source leaves the cache as it was.
		err := store.WriteThrough(t.Context(), s, "k", o, 2, func(context.Context, int) error { return errSource })
		if !errors.Is(err, errSource) {
			t.Error(err)
		}
		get(t, s, 1, true)

		err = store.WriteThrough(t.Context(), s, "k", o, 3, func(_ context.Context, v int) error {
			get(t, s, 1, true) // not before the source has it
			if v != 3 {
				t.Errorf("writes %d", v)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if _, found, err := store.Get[string](t.Context(), s, "page"); found || err != nil {
			t.Errorf("what shows the old value is there: %v, %v", found, err)
		}
	})
}

// In memory the written value is there at once; a backend that cannot do it in one step only forgets the old one.
func TestWriteThroughKeeps(t *testing.T) {
	t.Parallel()
	for name, backend := range map[string]func() store.Backend{"memory": backends["memory"], "in steps": inSteps} {
		synctest.Test(t, func(t *testing.T) {
			want := name == "memory"
			s := open(t, backend(), store.Config{})
			err := store.WriteThrough(t.Context(), s, "k", store.For(time.Minute, "tag"), 3, func(context.Context, int) error { return nil })
			_, found, err2 := store.Get[int](t.Context(), s, "k")
			if errors.Join(err, err2) != nil || found != want {
				t.Errorf("%s: found %v, %v, %v", name, found, err, err2)
			}
		})
	}
}

// Two writers at once: nobody knows who was last, so nothing is kept, whatever the order.
func TestWriteThroughAtOnce(t *testing.T) {
	t.Parallel()
	for _, firstEndsFirst := range []bool{true, false} {
		inBubbles(t, func(t *testing.T, s *store.Store) {
			t.Helper()
			src := &source{}
			write := func(takes time.Duration) func(context.Context, int) error {
				return func(_ context.Context, v int) error {
					src.set(v, nil)
					time.Sleep(takes)
					return nil
				}
			}
			takes := time.Second
			if firstEndsFirst {
				takes = 100 * time.Millisecond
			}
			var all sync.WaitGroup
			all.Go(func() {
				if err := store.WriteThrough(t.Context(), s, "k", store.Options{}, 1, write(takes)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			time.Sleep(time.Millisecond)
			if err := store.WriteThrough(t.Context(), s, "k", store.Options{}, 2, write(500*time.Millisecond)); err != nil {
				t.Error(err)
			}
			all.Wait()
			src.want(t, s, store.Options{}, 2, 1)
		})
	}
}

type memory = memstore.Store

// broken fails as it is told.
type broken struct {
	*memory

	replace, remove error
}

func (b broken) Replace(context.Context, string, store.Record, ...string) (store.Verdict, error) {
	return store.Unknown, b.replace
}

func (b broken) Delete(ctx context.Context, keys ...string) error {
	if b.remove != nil {
		return b.remove
	}
	return b.memory.Delete(ctx, keys...)
}

// A failing cache evicts rather than keeps the old value; if it cannot even do that, the caller is told.
func TestWriteThroughToAFailingCache(t *testing.T) {
	t.Parallel()
	for _, remove := range []error{nil, errSource} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, broken{memstore.New(memstore.Config{}), errors.New("out of memory"), remove}, store.Config{})
			o := store.For(time.Minute, "tag")
			(&source{value: 1}).want(t, s, o, 1, 1)
			err := store.WriteThrough(t.Context(), s, "k", o, 2, func(context.Context, int) error { return nil })
			if !errors.Is(err, remove) {
				t.Error(err)
			}
			get(t, s, 0, false) // by the tag, even where Delete fails
		})
	}
}

// What follows the write cannot be cancelled.
func TestWriteThroughIsNotCancelled(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		(&source{value: 1}).want(t, s, store.For(time.Minute, "tag"), 1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		err := store.WriteThrough(ctx, s, "k", store.For(time.Minute, "tag"), 2, func(context.Context, int) error {
			cancel()
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if got, found, _ := store.Get[int](t.Context(), s, "k"); found && got != 2 {
			t.Errorf("%d is still there", got)
		}
	})
}
