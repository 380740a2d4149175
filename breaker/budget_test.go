package breaker_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
)

// stuck returns a backend that heeds nothing until release is called.
func stuck() (fault func(context.Context, op, []string) error, release func()) {
	ch := make(chan struct{})
	return func(context.Context, op, []string) error {
		<-ch
		return errDown
	}, sync.OnceFunc(func() { close(ch) })
}

func TestI7_ABackendThatHangsCostsItsBudgetOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("k", "v", "a")
		fence := r.misses("l")
		fault, release := stuck()
		defer release()
		before := runtime.NumGoroutine()
		r.back.is(fault)
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				switch i % 3 {
				case 0:
					takes(t, 50*time.Millisecond, func() { _, _ = r.Lookup(t.Context(), "k") })
				case 1:
					takes(t, 100*time.Millisecond, func() { _, _ = r.Store(t.Context(), "l", record("v", fence)) })
				default:
					takes(t, 500*time.Millisecond, func() { r.pends("b") })
				}
			})
		}
		wg.Wait()
		r.in(breaker.Open)
		takes(t, 0, func() { r.misses("k"); r.pends("c") })
		// However long it lasts, nothing piles up: the keeper has one call, too.
		for range 100 {
			time.Sleep(time.Second)
			r.misses("k")
			r.pends("d")
		}
		if n := runtime.NumGoroutine(); n > before+64+1+64 { // other tests run beside it
			t.Logf("%d goroutines, before %d", n, before)
		}
		if n := r.back.count(evict); n > 22+1 {
			t.Errorf("%d evictions are at the backend, which returns from none", n)
		}
		release()
		r.back.is(nil)
		time.Sleep(15 * time.Second)
		r.in(breaker.Closed)
		if n := r.Pending(); n != 0 {
			t.Errorf("%d still pending", n)
		}
	})
}

func TestCallsThatHangAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{MaxCalls: 4})
		fault, release := stuck()
		defer release()
		r.back.is(fault)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _, _ = r.Lookup(t.Context(), "k") })
		}
		synctest.Wait()
		takes(t, 0, func() {
			r.misses("k") // no place, no waiting, and no error
			r.offer(store.Refused, "k", "v", store.Fence{Epoch: [16]byte{1}})
		})
		wg.Wait()
		r.in(breaker.Closed) // four, and refusals for want of a place are none
		takes(t, 0, func() { r.misses("k") })
		if n := r.back.count(lookup); n != 4 {
			t.Errorf("%d look-ups at the backend, want 4", n)
		}
		release()
		synctest.Wait()
		r.back.is(nil)
		r.put("k", "v")
	})
}

func TestEvictionsOverTheBoundAreQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{MaxCalls: 1})
		fault, release := stuck()
		defer release()
		r.back.is(only(fault, evict))
		go func() { _ = r.Evict(t.Context(), "a") }()
		synctest.Wait()
		takes(t, 0, func() { r.pends("b") })
		r.put("k", "v", "c") // reads have their own places
		release()
		time.Sleep(time.Second)
		r.back.is(nil)
		time.Sleep(10 * time.Second)
		if n := r.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}

func TestAPanicGoesToItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.put("k", "v", "a")
		boom := func(context.Context, op, []string) error { panic("boom") }
		r.back.is(boom)
		panics := func(what string, f func()) {
			defer func() {
				if p := recover(); p != "boom" {
					t.Errorf("%s: recovered %v, want the backend's panic", what, p)
				}
			}()
			f()
		}
		panics("Evict", func() { _ = r.Evict(t.Context(), "a") })
		if n := r.Pending(); n != 1 {
			t.Errorf("%d pending, want the eviction that panicked", n)
		}
		time.Sleep(20 * time.Second) // the keeper's own calls panic: it lives
		r.back.is(nil)
		time.Sleep(20 * time.Second)
		if n := r.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		r.in(breaker.Closed)
		r.back.is(boom)
		for range 5 {
			r.in(breaker.Closed)
			panics("Lookup", func() { _, _ = r.Lookup(t.Context(), "k") })
		}
		r.in(breaker.Open)
	})
}

func TestAGoexitIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		r.back.is(func(context.Context, op, []string) error { runtime.Goexit(); return nil })
		takes(t, 0, func() {
			for range 5 {
				if _, err := r.Lookup(t.Context(), "k"); err == nil {
					t.Error("Lookup = nil")
				}
			}
		})
		r.in(breaker.Open)
	})
}

func TestACallerWhoHasGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Lookup(ctx, "k"); !errors.Is(err, context.Canceled) {
			t.Errorf("Lookup = %v", err)
		}
		if v, err := r.Store(ctx, "k", store.Record{}); v != store.Refused || !errors.Is(err, context.Canceled) {
			t.Errorf("Store = %v, %v", v, err)
		}
		if n := r.back.count(lookup) + r.back.count(keep); n != 0 {
			t.Errorf("%d calls at the backend", n)
		}
		// But what it has written is evicted.
		if err := r.Evict(ctx, "a"); err != nil || r.back.count(evict) != 1 {
			t.Errorf("Evict = %v after %d calls", err, r.back.count(evict))
		}
	})
}
