package storetest_test

import (
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/storetest"
)

// The contract is not a description of one implementation: one as different as can be keeps it too.

func TestAPlainBackendKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Backend { return newFake("") })
}

func TestAPlainLocalBackendKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Backend { return &fakeLocal{fake: newFake("")} })
}

func TestAPlainBackendAnswersAsTheModel(t *testing.T) {
	t.Parallel()
	storetest.Property(t, func(*testing.T) store.Backend { return newFake("") })
}

// TestHarnessOnRealTime runs outside of a bubble, as a backend behind a network does.
func TestHarnessOnRealTime(t *testing.T) {
	t.Parallel()
	h := storetest.Harness{
		Open:  func(*testing.T) store.Backend { return newFake("") },
		Sleep: time.Sleep,
	}
	h.Run(t)
}

// TestHarnessWithItsOwnClock moves a clock by hand, as a fake server's is.
func TestHarnessWithItsOwnClock(t *testing.T) {
	t.Parallel()
	clock := &shifted{}
	storetest.Harness{
		Open:  func(*testing.T) store.Backend { return newFakeAt(clock.now) },
		Sleep: clock.advance,
	}.Property(t)
}

func BenchmarkPlain(b *testing.B) {
	storetest.Bench(b, func(*testing.B) store.Backend { return &fakeLocal{fake: newFake("")} })
}
