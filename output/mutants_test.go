package output_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/store"
)

// Backends that are broken, or in trouble, in one way each.

// refusing keeps nothing. That is trouble and no mistake.
type refusing struct{ store.Backend }

func (refusing) Store(context.Context, string, store.Record) (store.Verdict, error) {
	return store.Refused, nil
}

// lateFence takes the fence when it stores.
type lateFence struct{ store.Backend }

func (b lateFence) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	found, err := b.Lookup(ctx, key)
	if err != nil {
		return store.Unknown, err
	}
	r.Fence = found[0].Fence
	return b.Backend.Store(ctx, key, r)
}

// newestFence judges every fill by the newest fence that anybody was given.
type newestFence struct {
	store.Backend

	newest atomic.Pointer[store.Fence]
}

func (b *newestFence) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := b.Backend.Lookup(ctx, keys...)
	if err == nil {
		b.newest.Store(&found[0].Fence)
	}
	return found, err
}

func (b *newestFence) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	r.Fence = *b.newest.Load()
	return b.Backend.Store(ctx, key, r)
}

// tagless stores without tags.
type tagless struct{ store.Backend }

func (b tagless) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	r.Tags = nil
	return b.Backend.Store(ctx, key, r)
}

// losing loses every third eviction and says nothing.
type losing struct {
	store.Backend

	calls atomic.Int64
}

func (b *losing) Evict(ctx context.Context, tags ...string) error {
	if b.calls.Add(1)%3 == 0 {
		return nil
	}
	return b.Backend.Evict(ctx, tags...)
}

// lateEvict confirms an eviction before it is carried out.
type lateEvict struct{ store.Backend }

func (b lateEvict) Evict(ctx context.Context, tags ...string) error {
	go func() {
		time.Sleep(5 * time.Millisecond)
		_ = b.Backend.Evict(context.WithoutCancel(ctx), tags...)
	}()
	return nil
}

// Close waits for what is still to be carried out.
func (b lateEvict) Close() error {
	time.Sleep(5 * time.Millisecond)
	return b.Backend.Close()
}

// praising says of every fill that it is stored.
type praising struct{ store.Backend }

func (b praising) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	_, err := b.Backend.Store(ctx, key, r)
	return store.Stored, err
}

// unjudged answers look-ups from a copy of its own.
type unjudged struct {
	store.Backend

	copies sync.Map
}

func (b *unjudged) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := b.Backend.Lookup(ctx, keys...)
	for i, key := range keys {
		if r, ok := b.copies.Load(key); ok && err == nil {
			found[i].Record, found[i].Left = r.(*store.Record), time.Millisecond
		}
	}
	return found, err
}

func (b *unjudged) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	verdict, err := b.Backend.Store(ctx, key, r)
	if verdict == store.Stored {
		b.copies.Store(key, &r)
	}
	return verdict, err
}

// failing fails at everything.
type failing struct{ store.Backend }

var errFailing = errors.New("out of order")

func (failing) Lookup(context.Context, ...string) ([]store.Found, error) { return nil, errFailing }

func (failing) Store(context.Context, string, store.Record) (store.Verdict, error) {
	return store.Unknown, errFailing
}

func (failing) Delete(context.Context, ...string) error { return errFailing }

func (failing) Evict(context.Context, ...string) error { return errFailing }
