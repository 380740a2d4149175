package breaker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/echocache/echocache/store"
)

// fleetGuard keeps claims behind a breaker. It is a link of its own in the chain of Unwrap, in front of the other guard, so
// that there need not be another type for each combination.
type fleetGuard struct {
	guard

	fleet store.Fleet
	next  store.Backend
}

// Unwrap returns the guard of the other abilities, or the backend itself.
func (g fleetGuard) Unwrap() store.Backend { return g.next }

var errOpen = errors.New("breaker: the backend is in trouble, nobody is to wait for others")

// claimed is what a backend says to a claim.
type claimed struct {
	release func()
	held    bool
}

// Claim asks the backend for up to [Config.LookupTimeout]. While the breaker is open it is an error, at once, so that nobody
// waits for a page that cannot be stored.
func (g fleetGuard) Claim(ctx context.Context, key string, lease time.Duration) (release func(), held bool, err error) {
	b := g.Breaker
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	done := b.enter()
	if done == nil {
		return nil, false, errOpen
	}
	told := errFailed // if the backend panics
	defer func() { done(told) }()
	budget, cancel := context.WithTimeoutCause(ctx, b.config.LookupTimeout, overdue{})
	defer cancel()
	c, err := within(budget, b.calls, b.config.Logger, func(ctx context.Context) (claimed, error) {
		release, held, err := g.fleet.Claim(ctx, key, lease)
		if held && ctx.Err() != nil {
			release() // nobody is there to have it
			return claimed{}, ctx.Err()
		}
		return claimed{release, held}, err
	})
	told = outcome(b.judge(ctx, budget, err).orFailure())
	if err != nil {
		return nil, false, fmt.Errorf("breaker: claim: %w", err)
	}
	if !c.held {
		return nil, false, nil
	}
	return func() {
		// A backend in trouble is left alone: the lease ends by itself.
		if b.ledger.mode.Load() < shut {
			c.release()
		}
	}, true, nil
}
