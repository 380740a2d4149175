package store_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

func TestAValueIsLoadedOnce(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := &source{value: 1}
		src.want(t, s, store.For(time.Minute), 1, 1)
		src.set(2, nil)
		src.want(t, s, store.For(time.Minute), 1, 1)
		time.Sleep(time.Minute - 1)
		src.want(t, s, store.For(time.Minute), 1, 1)
		time.Sleep(time.Nanosecond)
		src.want(t, s, store.For(time.Minute), 2, 2)
		if st := s.Stats(); st.Hits != 2 || st.Misses != 2 || st.Loads != 2 || st.Stored != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// However many callers come, one load runs, and everybody gets a copy of its own.
func TestStampede(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		loads := 0
		load := func(context.Context) (row, error) { //nolint:unparam // a load
			loads++
			time.Sleep(50 * time.Millisecond)
			return row{7, []string{"a", "b"}}, nil
		}
		var all sync.WaitGroup
		for range 2000 {
			all.Go(func() {
				r, err := store.GetOrSet(t.Context(), s, "k", store.For(time.Minute), load)
				if err != nil || r.ID != 7 || len(r.Tags) != 2 || r.Tags[0] != "a" {
					t.Errorf("%v, %v", r, err)
					return
				}
				r.Tags[0] = "changed"
			})
		}
		all.Wait()
		r, err := store.GetOrSet(t.Context(), s, "k", store.For(time.Minute), load)
		if loads != 1 || err != nil || r.Tags[0] != "a" {
			t.Errorf("%d loads; then %v, %v", loads, r, err)
		}
	})
}

// Each caller leaves on its own context; the load is cancelled when the last one has left, and not before.
func TestCallersLeave(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := &source{value: 1, takes: time.Second}
		first, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := store.GetOrSet(first, s, "k", store.Options{}, src.load); !errors.Is(err, context.Canceled) {
				t.Errorf("the first caller: %v", err)
			}
			if d := time.Since(bubbleStart); d != time.Millisecond {
				t.Errorf("it left after %v", d)
			}
		})
		synctest.Wait()
		all.Go(func() { src.want(t, s, store.Options{}, 1, 1) })
		time.Sleep(time.Millisecond)
		leave()
		all.Wait()

		left, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, src.load)
		if left != 1 || err != nil || src.loads.Load() != 1 {
			t.Errorf("then %d, %v after %d loads", left, err, src.loads.Load())
		}
	})
}

// bubbleStart is when time begins in every bubble.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestALoadThatNobodyWaitsForIsCancelled(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		var cause error
		ended := make(chan struct{})
		load := func(ctx context.Context) (int, error) {
			defer close(ended)
			<-ctx.Done()
			cause = ctx.Err()
			return 1, nil // too late: nobody waits, and it is not kept
		}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "value"))
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := store.GetOrSet(ctx, s, "k", store.Options{}, load); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		<-ended
		if !errors.Is(cause, context.Canceled) {
			t.Errorf("the load's context: %v", cause)
		}
		synctest.Wait()
		src := &source{value: 2}
		src.want(t, s, store.Options{}, 2, 1)
		// A caller whose context is over already does not begin one.
		if _, err := store.GetOrSet(ctx, s, "other", store.Options{}, src.load); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if n := src.loads.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
	})
}

type ctxKey struct{}

// The load has the values of the caller's context and neither its deadline nor its cancellation.
func TestTheLoadsContext(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), ctxKey{}, "value"), time.Second)
		defer cancel()
		_, err := store.GetOrSet(ctx, s, "k", store.Options{}, func(ctx context.Context) (int, error) {
			due, has := ctx.Deadline()
			if ctx.Value(ctxKey{}) != "value" || !has || time.Until(due) != store.DefaultLoadTimeout {
				t.Errorf("value %v, deadline %v", ctx.Value(ctxKey{}), due)
			}
			return 1, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A panic, and even the end of the goroutine, is an error for those who wait. The key is free at once.
func TestALoadPanics(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fail func()
		want string
	}{
		"panic":        {func() { panic("boom") }, "store: the load panicked: boom"},
		"error":        {func() { panic(errSource) }, "store: the load panicked: the source is down"},
		"Goexit":       {runtime.Goexit, "store: the load ended its goroutine"},
		"nil panicked": {func() { panic(nil) }, "store: the load panicked: panic called with nil argument"}, //nolint:govet // on purpose
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubbles(t, func(t *testing.T, s *store.Store) {
				t.Helper()
				fail := func(context.Context) (int, error) { //nolint:unparam // a load
					time.Sleep(time.Millisecond)
					row.fail()
					return 1, nil
				}
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						_, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, fail)
						var panicked *store.PanicError
						if !errors.As(err, &panicked) || !strings.HasPrefix(err.Error(), row.want) ||
							!strings.Contains(string(panicked.Stack), "TestALoadPanics") {
							t.Errorf("%v", err)
						}
						if name == "error" && !errors.Is(err, errSource) {
							t.Error("the error that it panicked with is lost")
						}
					})
				}
				all.Wait()
				src := &source{value: 2}
				src.want(t, s, store.Options{}, 2, 1)
			})
		})
	}
}

// An error reaches those who waited, and is not kept.
func TestAnErrorIsNotKept(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := &source{err: errSource, takes: time.Millisecond}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { src.wantErr(t, s, store.For(time.Minute), errSource, 1) })
		}
		all.Wait()
		src.set(3, nil)
		src.want(t, s, store.For(time.Minute), 3, 2)
	})
}

// An eviction, or Delete, during a load beats it (I-1): the one who began it gets what it loaded, whoever comes after
// the eviction does not, and it is not kept.
func TestI1_AnEvictionBeatsALoad(t *testing.T) {
	t.Parallel()
	for name, evict := range map[string]func(context.Context, *store.Store) error{
		"Evict":  func(ctx context.Context, s *store.Store) error { return s.Evict(ctx, "other", "tag") },
		"Delete": func(ctx context.Context, s *store.Store) error { return s.Delete(ctx, "k") },
		"Set": func(ctx context.Context, s *store.Store) error {
			return store.Set(ctx, s, "k", store.For(time.Minute), 2)
		},
		"WriteThrough": func(ctx context.Context, s *store.Store) error {
			return store.WriteThrough(ctx, s, "l", store.For(time.Minute, "tag"), 2,
				func(context.Context, int) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubbles(t, func(t *testing.T, s *store.Store) {
				t.Helper()
				src := &source{value: 1, takes: time.Second}
				o := store.For(time.Minute, "tag")
				var all sync.WaitGroup
				all.Go(func() { // its load began before the eviction
					if got, err := store.GetOrSet(t.Context(), s, "k", o, src.load); got != 1 || err != nil {
						t.Errorf("the first caller: %d, %v", got, err)
					}
				})
				synctest.Wait()
				src.set(2, nil)
				if err := evict(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					all.Go(func() {
						if got, err := store.GetOrSet(t.Context(), s, "k", o, src.load); got != 2 || err != nil {
							t.Errorf("after the eviction: %d, %v", got, err)
						}
					})
				}
				all.Wait()
				if got, found, err := store.Get[int](t.Context(), s, "k"); got != 2 || !found || err != nil {
					t.Errorf("at the end: %d, %v, %v", got, found, err)
				}
			})
		})
	}
}

// Closing ends loads, and afterwards everybody loads for themselves.
func TestAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := store.New(memstore.New(memstore.Config{}), store.Config{})
		src := &source{value: 1, takes: time.Minute}
		var all sync.WaitGroup
		all.Go(func() { src.wantErr(t, s, store.Options{}, context.Canceled, 1) })
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		src.take(0)
		src.want(t, s, store.Options{}, 1, 2)
		src.want(t, s, store.Options{}, 1, 3)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A load that does not heed its context holds neither callers nor Close for ever.
func TestAHungLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := store.New(memstore.New(memstore.Config{}), store.Config{LoadTimeout: 10 * time.Second})
		release := make(chan struct{})
		hung := func(context.Context) (int, error) {
			<-release
			return 1, nil
		}
		if _, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, hung); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if d := time.Since(bubbleStart); d != 11*time.Second {
			t.Errorf("after %v", d)
		}
		src := &source{value: 2}
		src.want(t, s, store.Options{}, 2, 1)
		if err := s.Close(); err == nil || !strings.Contains(err.Error(), "1 loads have not ended") {
			t.Error(err)
		}
		close(release)
		synctest.Wait()
	})
}

func TestBadKeysAndOptions(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := &source{value: 1}
		for _, key := range []string{"", "a\x00b", "a\nb", "\x7f", strings.Repeat("k", store.MaxKeyBytes+1)} {
			_, err := store.GetOrSet(t.Context(), s, key, store.Options{}, src.load)
			_, _, err2 := store.Get[int](t.Context(), s, key)
			err3 := store.Set(t.Context(), s, key, store.Options{}, 1)
			err4 := s.Delete(t.Context(), "good", key)
			_, err5 := store.GetOrSetMany(t.Context(), s, []string{"good", key}, func(k string) string { return k },
				store.Options{}, func(context.Context, []string) (map[string]int, error) { return nil, nil })
			for i, err := range []error{err, err2, err3, err4, err5} {
				if err == nil || !strings.HasPrefix(err.Error(), "store: the key ") || strings.Contains(err.Error(), "kkk") {
					t.Errorf("%.10q, %d: %v", key, i, err)
				}
			}
		}
		if src.loads.Load() != 0 {
			t.Error("it loaded all the same")
		}
		long := strings.Repeat("k", store.MaxKeyBytes)
		if got, err := store.GetOrSet(t.Context(), s, long, store.Options{}, src.load); got != 1 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		for want, o := range map[string]store.Options{
			"TTL is -1ns":                     {TTL: -1},
			"Sliding is -1ns":                 {TTL: 1, Sliding: -1},
			"Sliding has no limit":            {Sliding: time.Minute},
			"StaleIfError is -1ns":            {StaleIfError: -1},
			"SoftTimeout is -1ns":             {SoftTimeout: -1},
			"Timeout is -1ns":                 {Timeout: -1},
			"SoftTimeout is 2ns, longer than": {SoftTimeout: 2, Timeout: 1},
			"Negative is -1ns":                {Negative: -1},
			"Jitter is 1:":                    {Jitter: 1},
			"EagerRefresh is -0.1:":           {EagerRefresh: -0.1},
			"MaxBytes is -1":                  {MaxBytes: -1},
			"65 tags":                         {Tags: make([]string, 65)},
			`tag "" is empty`:                 {Tags: []string{"a", ""}},
			`tag "*all" is reserved`:          {Tags: []string{"*all"}},
		} {
			_, err := store.GetOrSet(t.Context(), s, "k", o, src.load)
			err2 := store.Set(t.Context(), s, "k", o, 1)
			for _, err := range []error{err, err2} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("want %q: %v", want, err)
				}
			}
		}
	})
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]store.Config{
		"Namespace has 129 bytes": {Namespace: strings.Repeat("n", 129)},
		"LoadTimeout is -1ns":     {LoadTimeout: -1},
		"Throttle is -1ns":        {Throttle: -1},
	} {
		s := store.New(memstore.New(memstore.Config{}), c)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
