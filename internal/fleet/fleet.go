// Package fleet lets one of several processes compute what is under a key while the others wait for it to appear where
// they all look.
//
//	found, release := fleet.Await(ctx, most, claim, look)
//	if !found {
//		compute()
//		release()
//	}
//
// It owns no goroutine. It saves work and proves nothing: two processes may well compute at once.
package fleet

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// Lease is for how long a claim lasts. It is not renewed: when it is over, whoever waits goes ahead in any case,
	// so a longer one would hold nobody.
	Lease = 1500 * time.Millisecond
	// Patience is how long a process waits for another at most. It is longer than Lease, so that after a crash
	// one of those that wait takes over and the others can still get what it computes.
	Patience = 2 * time.Second
)

// How often a process that waits looks again: soon at first, because most pages take some milliseconds to make.
const (
	firstLook = 5 * time.Millisecond
	mostLook  = 50 * time.Millisecond
)

// Sight is what a look has shown.
type Sight uint8

const (
	// Nothing is there yet.
	Nothing Sight = iota
	// There it is.
	There
	// Trouble: nothing can be seen, so there is no point in waiting.
	Trouble
)

// Await claims a key, or waits as long as another has it: until look finds what the other has computed, until the claim is
// free, or for most. It looks at least once after it got the claim, for the holder before may have stored something.
//
// It reports whether look has found it. If not, the caller computes it itself, perhaps without a claim, or has seen ctx
// end. release gives the claim up; it is never nil, and to be called once found is false and the work is done.
func Await(
	ctx context.Context, most time.Duration, claim func(context.Context) (release func(), held bool, err error), look func() Sight,
) (found bool, release func()) {
	nothing := func() {}
	over := time.NewTimer(most)
	defer over.Stop()
	for every := firstLook; ; every = min(2*every, mostLook) {
		release, held, err := claim(ctx)
		if err != nil {
			return false, nothing
		}
		if held {
			if ctx.Err() == nil && look() == There {
				release()
				return true, nothing
			}
			return false, release
		}
		// Shortened at random, so that those who wait for one key do not all come at once.
		again := time.NewTimer(every - rand.N(every/2)) //nolint:gosec // nobody gains by guessing it
		select {
		case <-again.C:
		case <-over.C:
			again.Stop()
			return false, nothing
		case <-ctx.Done():
			again.Stop()
			return false, nothing
		}
		switch look() {
		case There:
			return true, nothing
		case Trouble:
			return false, nothing
		case Nothing:
		}
	}
}
