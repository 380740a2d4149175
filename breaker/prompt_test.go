package breaker_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
)

// prompt says, or denies, that its look-ups leave in time.
type prompt struct {
	*flaky

	yes bool
}

var _ store.Prompt = prompt{}

func (p prompt) PromptLookup() bool { return p.yes }

// A backend that leaves in time by itself is asked where the caller is, so that calls are not counted and not bounded; all
// else is as with others: budgets, what is a failure and what is the caller's own affair, panics.
func TestAPromptBackendIsAskedByTheCaller(t *testing.T) {
	t.Parallel()
	for name, yes := range map[string]bool{"prompt": true, "not prompt": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				back := newFlaky()
				r := around(t, back, prompt{back, yes}, breaker.Config{MaxCalls: 1})
				r.put("k", "v")
				back.is(hung)
				gone, leave := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer leave()
				takes(t, 10*time.Millisecond, func() {
					if _, err := r.Lookup(gone, "k"); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("the caller's own deadline: %v", err)
					}
				})
				before := back.count(lookup)
				var all sync.WaitGroup
				for range 2 {
					all.Go(func() { _, _ = r.Lookup(t.Context(), "k") })
				}
				all.Wait()
				if n, want := back.count(lookup)-before, map[bool]int{true: 2, false: 1}[yes]; n != want {
					t.Errorf("%d look-ups at the backend, want %d", n, want)
				}
				for range 8 {
					synctest.Wait() // a call that was left has given its place back
					if r.State() != breaker.Closed {
						break
					}
					takes(t, 50*time.Millisecond, func() {
						if _, err := r.Lookup(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "breaker: look up") {
							t.Errorf("after the budget: %v", err)
						}
					})
				}
				r.in(breaker.Open)
				back.is(nil)
				time.Sleep(10 * time.Second)
				r.in(breaker.Closed)
				back.is(func(context.Context, op, []string) error { panic("of the backend") })
				func() {
					defer func() {
						if p := recover(); p != "of the backend" {
							t.Errorf("a panic became %v", p)
						}
					}()
					_, _ = r.Lookup(t.Context(), "k")
				}()
				back.is(nil)
				r.hits("k", "v")
			})
		})
	}
}
