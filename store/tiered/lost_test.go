package tiered_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/store/tiered"
)

// A remote that has lost count of what was evicted says so, and memory forgets everything.
func TestI1_MemoryForgetsWhenTheRemoteHasLostCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, door := process(t, newRemote(t), tiered.Lease)
		synctest.Wait()
		put(t, a, "v", "tag")
		if peek(a) != "v" {
			t.Fatal("it is not in memory")
		}
		door.set(func() { door.lost = true })
		time.Sleep(tiered.DefaultLease)
		if !a.Info().Leased || peek(a) != "" {
			t.Errorf("%+v, and in memory is %q", a.Info(), peek(a))
		}
	})
}
