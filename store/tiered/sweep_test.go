package tiered_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/tiered"
)

// sweeper is a remote that counts how often it is swept.
type sweeper struct {
	own

	swept int
}

func (s *sweeper) Sweep(context.Context) error { s.swept++; return nil }

// Sweep frees what was evicted in memory, and has the remote do the same if it can.
func TestSweepReachesBothTiers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far := &sweeper{own: own{&door{remote: newRemote(t)}}}
		near := memstore.New(memstore.Config{})
		s := tiered.New(near, far, tiered.Config{})
		synctest.Wait()
		put(t, s, "v", "tag")
		if n := near.Stats().Entries; n != 1 {
			t.Fatalf("%d records in memory", n)
		}
		if err := s.Evict(t.Context(), "tag"); err != nil {
			t.Fatal(err)
		}
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := near.Stats().Entries; n != 0 || far.swept != 1 {
			t.Errorf("%d records in memory, the remote was swept %d times", n, far.swept)
		}
		_ = s.Close()
	})
}
