package breaker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/echocache/echocache/store"
)

// enter lets a call through to the backend and returns what is to be told how it went, or nil.
func (b *Breaker) enter() (done func(error)) {
	if b.ledger.mode.Load() >= shut {
		return nil
	}
	done, err := b.circuit.Allow()
	if err != nil {
		return nil
	}
	// If it has opened in between, this call has just become gobreaker's probe. Callers are none.
	if b.ledger.mode.Load() >= shut {
		done(errIgnored)
		return nil
	}
	return done
}

// Lookup asks the backend for up to [Config.LookupTimeout]. While the breaker is open, and after Close, every answer is
// a miss without a fence, at once and without an error. What is queued to be evicted is a miss.
func (b *Breaker) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return []store.Found{}, nil
	}
	done := b.enter()
	if done == nil {
		return make([]store.Found, len(keys)), nil
	}
	told := errFailed // if the backend panics
	defer func() { done(told) }()
	confirmed := b.ledger.confirmed.Load()
	budget, cancel := context.WithTimeoutCause(ctx, b.config.LookupTimeout, overdue{})
	defer cancel()
	began := time.Now()
	found, err := b.lookup(budget, b.calls, keys)
	told = outcome(b.patient(b.judge(ctx, budget, err).orFailure(), began))
	switch {
	case errors.Is(err, errBusy):
		return make([]store.Found, len(keys)), nil
	case err != nil:
		return nil, fmt.Errorf("breaker: look up: %w", err)
	}
	return b.honour(found, keys, confirmed), nil
}

// patient returns what a look-up that began then means, where it would be class if it did not matter how long it took.
func (b *Breaker) patient(class Class, began time.Time) Class {
	if slow := b.config.SlowLookup; class == Success && slow > 0 && time.Since(began) > slow {
		return Failure
	}
	return class
}

func (b *Breaker) lookup(ctx context.Context, in places, keys []string) ([]store.Found, error) {
	keys = slices.Clone(keys) // the backend may read them after the caller has left
	var found []store.Found
	var err error
	if b.prompt {
		if found, err = b.backend.Lookup(ctx, keys...); err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	} else {
		found, err = within(ctx, in, b.config.Logger, func(ctx context.Context) ([]store.Found, error) {
			return b.backend.Lookup(ctx, keys...)
		})
	}
	if err == nil && len(found) != len(keys) {
		return nil, fmt.Errorf("%d answers to a look-up of %d keys", len(found), len(keys))
	}
	return found, err
}

// honour returns found, with misses in place of what was queued to be evicted at any time since confirmed was read.
//
// WARNING: an eviction that was queued when the look-up began may have been confirmed while it was on its way, after the
// backend had answered. Then it is in no list any more.
func (b *Breaker) honour(found []store.Found, keys []string, confirmed uint64) []store.Found {
	if b.ledger.confirmed.Load() == confirmed && b.ledger.mode.Load() == calm {
		return found
	}
	found = slices.Clone(found)
	for i, f := range found {
		if f.Record != nil && !b.stands(keys[i], f.Record.Tags, confirmed) {
			found[i].Record, found[i].Left = nil, 0
		}
	}
	return found
}

// stands reports whether no eviction of the record was queued at any time since confirmed was read.
func (b *Breaker) stands(key string, tags []string, confirmed uint64) bool {
	return !b.ledger.holds(key, tags) && b.ledger.confirmed.Load() == confirmed
}

// Store hands r to the backend for up to [Config.StoreTimeout]. While the breaker is open, and after Close, it is
// Refused at once, without an error. So is a record of which an eviction is queued; one that is queued in the
// meantime makes the verdict Unknown. Both come with an error that wraps [store.ErrEvictionPending].
func (b *Breaker) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	if err := ctx.Err(); err != nil {
		return store.Refused, err
	}
	turns := b.ledger.turns.Load()
	done := b.enter()
	if done == nil {
		return store.Refused, nil
	}
	told := errFailed // if the backend panics
	defer func() { done(told) }()
	if b.ledger.holds(key, r.Tags) {
		told = errIgnored
		return store.Refused, errPending
	}
	budget, cancel := context.WithTimeoutCause(ctx, b.config.StoreTimeout, overdue{})
	defer cancel()
	verdict, err := within(budget, b.calls, b.config.Logger, func(ctx context.Context) (store.Verdict, error) {
		return b.backend.Store(ctx, key, r)
	})
	told = outcome(b.judge(ctx, budget, err).of(verdict))
	switch {
	case errors.Is(err, errBusy):
		return store.Refused, fmt.Errorf("breaker: store: %w", err)
	case err != nil:
		return verdict, fmt.Errorf("breaker: store: %w", err)
	case verdict == store.Stored && b.ledger.turns.Load() != turns:
		// The backend has judged it without what was queued meanwhile: who waits for the record must not get it.
		return store.Unknown, errPending
	}
	return verdict, nil
}
