package storetest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/store"
)

// Run tests the backends that open makes against the contract, one subtest a clause, each with a backend of its own.
// open returns an empty one every time; Run closes it. Everything happens in synctest bubbles, open included.
func Run(t *testing.T, open func(t *testing.T) store.Backend) {
	t.Helper()
	Harness{Open: open}.Run(t)
}

// Property drives the backends that open makes through random histories of look-ups, fills, evictions, deletions and
// expiries, several fills in flight at once, and compares each answer with a model that says what it has to be. It
// runs in a synctest bubble. The flags of rapid apply (-rapid.checks=1000).
func Property(t *testing.T, open func(t *testing.T) store.Backend) {
	t.Helper()
	Harness{Open: open}.Property(t)
}

// Harness says how to test a backend that needs more than to be made. Its zero value but for Open is what [Run] uses.
type Harness struct {
	// Open returns an empty backend: with keys and evictions of its own, whatever others are open beside it.
	Open func(t *testing.T) store.Backend
	// Sleep lets d pass for the backend: time.Sleep for a real server, a fake server's own way to move its
	// clock. With it nothing runs in a bubble, times are short, and what expires is checked a little later.
	// Nil: a bubble's time.Sleep.
	Sleep func(d time.Duration)
}

// Run is the function Run for this harness.
func (h Harness) Run(t *testing.T) {
	t.Helper()
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h.inTime(t, func(t *testing.T) {
				t.Helper()
				if err := c.hold(h.Open(t), h.Sleep); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// inTime runs f in a bubble, unless time is the harness's own.
func (h Harness) inTime(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if h.Sleep != nil {
		f(t)
		return
	}
	synctest.Test(t, f)
}
