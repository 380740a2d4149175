package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// fenceNow returns the fence for a fill of key that begins now.
func fenceNow(ctx context.Context, b store.Backend, key string) store.Fence {
	found, err := b.Lookup(ctx, key)
	if err != nil {
		return store.Fence{}
	}
	return found[0].Fence
}

// fencingLate takes the fence when a load is stored.
type fencingLate struct{ tripping }

func (b fencingLate) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	r.Fence = fenceNow(ctx, b, key)
	return b.tripping.Store(ctx, key, r)
}

// sharingFences judges every load by the newest fence that anybody was given.
type sharingFences struct {
	tripping

	newest atomic.Pointer[store.Fence]
}

func (b *sharingFences) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := b.tripping.Lookup(ctx, keys...)
	if err == nil {
		b.newest.Store(&found[0].Fence)
	}
	return found, err
}

func (b *sharingFences) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	r.Fence = *b.newest.Load()
	return b.tripping.Store(ctx, key, r)
}

// replacingAlways keeps what is written although somebody else has written too.
type replacingAlways struct{ tripping }

func (b replacingAlways) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	r.Fence = fenceNow(ctx, b, key)
	return b.tripping.Replace(ctx, key, r, tags...)
}

// replacingOnly does not beat loads under way.
type replacingOnly struct{ tripping }

func (b replacingOnly) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	if len(tags) > 0 {
		if err := b.Evict(ctx, tags[1:]...); err != nil { // not the row's own
			return store.Unknown, err
		}
	}
	return b.Store(ctx, key, r)
}

// replacingUntagged evicts the key and forgets the tags.
type replacingUntagged struct{ tripping }

func (b replacingUntagged) Replace(ctx context.Context, key string, r store.Record, _ ...string) (store.Verdict, error) {
	return b.tripping.Replace(ctx, key, r)
}

// keepingReplaced leaves what is there when it does not keep what is written.
type keepingReplaced struct{ tripping }

func (b keepingReplaced) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	if now := fenceNow(ctx, b, key); r.Fence != now {
		return store.Fenced, nil
	}
	return b.tripping.Replace(ctx, key, r, tags...)
}

// untagging stores without tags.
type untagging struct{ tripping }

func (b untagging) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	r.Tags = nil
	return b.tripping.Store(ctx, key, r)
}

// losingEvictions loses every third and says nothing.
type losingEvictions struct {
	tripping

	calls atomic.Int64
}

func (b *losingEvictions) Evict(ctx context.Context, tags ...string) error {
	if b.calls.Add(1)%3 == 0 {
		return nil
	}
	return b.tripping.Evict(ctx, tags...)
}

// praisingAll says of every load that it is stored.
type praisingAll struct{ tripping }

func (b praisingAll) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	_, err := b.tripping.Store(ctx, key, r)
	return store.Stored, err
}

// removing only removes what is deleted: loads under way come back.
type removing struct {
	tripping

	mu      sync.Mutex
	removed map[string]bool
}

func (b *removing) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := b.tripping.Lookup(ctx, keys...)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, key := range keys {
		if err == nil && b.removed[key] {
			found[i].Record, found[i].Left = nil, 0
		}
	}
	return found, err
}

func (b *removing) set(removed bool, keys ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		b.removed[key] = removed
	}
}

func (b *removing) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	b.set(false, key)
	return b.tripping.Store(ctx, key, r)
}

func (b *removing) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	b.set(false, key)
	return b.tripping.Replace(ctx, key, r, tags...)
}

func (b *removing) Delete(_ context.Context, keys ...string) error {
	b.set(true, keys...)
	return nil
}

// evictingLate confirms an eviction before it is carried out.
type evictingLate struct{ tripping }

const late = 5 * time.Millisecond

func (b evictingLate) Evict(ctx context.Context, tags ...string) error {
	time.AfterFunc(late, func() { _ = b.tripping.Evict(context.WithoutCancel(ctx), tags...) })
	return nil
}

// keepingCopies answers look-ups from copies of its own: with the fences of now, and, if they are eternal, for ever.
type keepingCopies struct {
	tripping

	eternal bool
	copies  sync.Map
}

func (b *keepingCopies) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := b.tripping.Lookup(ctx, keys...)
	for i, key := range keys {
		r, ok := b.copies.Load(key)
		if ok && err == nil && (!b.eternal || found[i].Fence == r.(*store.Record).Fence) {
			found[i].Record, found[i].Left = r.(*store.Record), r.(*store.Record).TTL
		}
	}
	return found, err
}

func (b *keepingCopies) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	verdict, err := b.tripping.Store(ctx, key, r)
	if verdict == store.Stored {
		b.copies.Store(key, &r)
	}
	return verdict, err
}

// slidingFor keeps a record for as long as it is asked for, whatever its TTL.
type slidingFor struct{ tripping }

func (b slidingFor) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := b.tripping.Lookup(ctx, keys...)
	for i, key := range keys {
		if err == nil && found[i].Record != nil {
			r := *found[i].Record
			r.Fence = found[i].Fence
			_, _ = b.Store(ctx, key, r)
			found[i].Left = r.TTL
		}
	}
	return found, err
}

// TestI1_BrokenBackendsAreNoticed breaks the backend in every way that the promise rests on. Each must be found within
// as many histories as a row of the test above plays.
func TestI1_BrokenBackendsAreNoticed(t *testing.T) {
	memory := func() tripping { return tripping{memstore.New(memstore.Config{})} }
	for name, open := range map[string]func() store.Backend{
		"the fence is taken at the store":        func() store.Backend { return fencingLate{memory()} },
		"the fence is newer than the load":       func() store.Backend { return &sharingFences{tripping: memory()} },
		"tags are forgotten":                     func() store.Backend { return untagging{memory()} },
		"an eviction is lost":                    func() store.Backend { return &losingEvictions{tripping: memory()} },
		"an eviction is late":                    func() store.Backend { return evictingLate{memory()} },
		"a fenced load counts as stored":         func() store.Backend { return praisingAll{memory()} },
		"a deletion only removes":                func() store.Backend { return &removing{tripping: memory(), removed: map[string]bool{}} },
		"hits are not judged":                    func() store.Backend { return &keepingCopies{tripping: memory()} },
		"a write is kept whoever else writes":    func() store.Backend { return replacingAlways{memory()} },
		"a write does not beat loads":            func() store.Backend { return replacingOnly{memory()} },
		"a write does not evict tags":            func() store.Backend { return replacingUntagged{memory()} },
		"a write that is not kept evicts nought": func() store.Backend { return keepingReplaced{memory()} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range 100 * historyRounds {
				if wrong := playHistory(t, rapid.Custom(drawHistory).Example(seed), open).wrong; len(wrong) > 0 {
					t.Logf("found by history %d: %s", seed, wrong[0])
					return
				}
			}
			t.Error("no history finds it")
		})
	}
}
