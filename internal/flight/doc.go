// Package flight lets many callers wait for one computation of a key without making any of them hostage to another.
//
// It owns no goroutine and no context. The first caller of a key leads: it computes in its own goroutine, seals the
// flight, and finishes it. The others wait, each on a context of its own.
//
//	f, waiter, role := group.Join(key, group.Now(), 30*time.Second)
//	if role != flight.Follow {
//		value := compute()
//		f.Seal()          // nobody joins any more
//		f.Finish(value)   // everybody who waits gets it
//	} else {
//		value, err := waiter.Wait(ctx)
//	}
//
// What a value means, and whether one who came late may use it, is not decided here.
package flight
