package breaker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
)

// What a slow backend finds is used, and counts as failures; the breaker stays open as long as probes are slow.
func TestSlowLookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{SlowLookup: 10 * time.Millisecond})
		r.put("k", "v")
		takesLong := func(d time.Duration) func(context.Context, op, []string) error {
			return func(context.Context, op, []string) error { time.Sleep(d); return nil }
		}
		r.back.is(takesLong(10 * time.Millisecond))
		for range 30 {
			takes(t, 10*time.Millisecond, func() { r.hits("k", "v") })
		}
		r.in(breaker.Closed)
		r.back.is(takesLong(11 * time.Millisecond))
		for range 5 {
			takes(t, 11*time.Millisecond, func() { r.hits("k", "v") })
		}
		r.in(breaker.Open)
		takes(t, 0, func() { r.misses("k") })
		asked := r.back.count(lookup)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.in(breaker.Open)
		if r.back.count(lookup) == asked {
			t.Error("nobody has asked it again")
		}
		r.back.is(takesLong(10 * time.Millisecond))
		time.Sleep(15 * time.Second)
		synctest.Wait()
		r.in(breaker.Closed)
		r.hits("k", "v")
	})
}
