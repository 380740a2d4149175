package breaker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/echocache/echocache/store"
)

// ErrClosed is what Evict, Delete and Replace return, wrapped, after Close: nothing is evicted and nothing queued.
var ErrClosed = errors.New("breaker: closed")

// errPending says that an eviction is queued.
var errPending = fmt.Errorf("breaker: %w", store.ErrEvictionPending)

// Evict forgets every record that carries one of the tags. Nil means that the backend has confirmed it. What it does
// not confirm within [Config.EvictTimeout], and without a try what is evicted while the breaker is open or others are
// queued, is queued, and the error wraps [store.ErrEvictionPending]. The end of ctx does not stop an eviction.
func (b *Breaker) Evict(ctx context.Context, tags ...string) error {
	return b.forget(ctx, ofTag, slices.Clone(tags))
}

// Delete forgets keys as Evict forgets tags.
func (b *Breaker) Delete(ctx context.Context, keys ...string) error {
	return b.forget(ctx, ofKey, slices.Clone(keys))
}

func (b *Breaker) forget(ctx context.Context, kind byte, texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	_, err := b.evict(ctx, named(kind, texts), func(ctx context.Context) (store.Verdict, error) {
		return store.Unknown, b.send(ctx, kind, texts)
	})
	return err
}

// send has the backend evict names of one kind.
func (b *Breaker) send(ctx context.Context, kind byte, texts []string) error {
	switch kind {
	case ofTag:
		return b.backend.Evict(ctx, texts...)
	case ofKey:
		return b.backend.Delete(ctx, texts...)
	default:
		all, ok := store.As[evictAller](b.backend)
		if !ok {
			return errors.New("breaker: the backend has no EvictAll")
		}
		return all.EvictAll(ctx)
	}
}

// evictAller is the optional ability of a backend to forget everything, fills in flight included.
type evictAller interface {
	EvictAll(ctx context.Context) error
}

// evict has the backend carry out what evicts names, unless something stands in the way; then, or if it does not
// confirm it, names are queued.
func (b *Breaker) evict(
	ctx context.Context, names []name, carryOut func(context.Context) (store.Verdict, error),
) (store.Verdict, error) {
	switch b.ledger.mode.Load() {
	case over:
		if b.fault != nil {
			return store.Refused, b.fault
		}
		return store.Refused, fmt.Errorf("%w: not evicted", ErrClosed)
	case calm:
	default: // behind those that wait already
		return store.Refused, b.queue(names, nil)
	}
	settled := false
	defer func() {
		if !settled { // a panic of the backend goes on, and the eviction with it
			_ = b.queue(names, nil)
		}
	}()
	// What was written is written: the client cannot call it back.
	budget, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), b.config.EvictTimeout, overdue{})
	defer cancel()
	verdict, err := within(budget, b.evictions, b.config.Logger, carryOut)
	settled = true
	if err == nil {
		return verdict, nil
	}
	switch {
	case errors.Is(err, errBusy):
		verdict = store.Refused
	case verdict == store.Stored:
		verdict = store.Unknown // for what else it says there is no proof
	}
	return verdict, b.queue(names, err)
}

// queue puts names into the journal and returns the error that says so. cause may be nil.
func (b *Breaker) queue(names []name, cause error) error {
	unsaved := b.ledger.add(names)
	if b.file != nil && len(unsaved) > 0 {
		if err := b.file.append(unsaved, b.ledger.saved); err != nil {
			b.config.Logger.Error("journal file not written", "name", b.config.Name, "error", err)
			cause = errors.Join(cause, fmt.Errorf("a kill would lose it: %w", err))
		}
	}
	b.keeper.poke()
	why := errPending
	if b.ledger.mode.Load() == over {
		why = fmt.Errorf("%w before the eviction was confirmed", ErrClosed) // nobody retries it
	}
	if cause != nil {
		return fmt.Errorf("%w (%w)", why, cause)
	}
	return why
}
