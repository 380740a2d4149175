package soak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
)

// patience is how long a broken variant may go unnoticed.
const patience = 60 * time.Second

// wrapped is a backend around another one, whose abilities it keeps.
type wrapped struct{ store.Backend }

func (w wrapped) Unwrap() store.Backend { return w.Backend }

// lateFence takes the fence when a record is stored, after it was computed.
type lateFence struct{ wrapped }

func (b lateFence) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	found, err := b.Lookup(ctx, key)
	if err != nil {
		return store.Unknown, err
	}
	r.Fence = found[0].Fence
	return b.Backend.Store(ctx, key, r)
}

// yesMan says that a record is stored when it was fenced: who waits for it gets it.
type yesMan struct{ wrapped }

func (b yesMan) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	verdict, err := b.Backend.Store(ctx, key, r)
	if verdict == store.Fenced {
		verdict = store.Stored
	}
	return verdict, err
}

// unheard asks for news without a name, so that no eviction waits for it.
type unheard struct {
	wrapped
	store.Feed
}

func (b unheard) Poll(ctx context.Context, _ string, lease time.Duration, seen []store.Fence) ([]store.News, error) {
	return b.Feed.Poll(ctx, "", lease, seen)
}

// deaf does not hear what was evicted.
type deaf struct {
	wrapped
	store.Feed
}

func (b deaf) Poll(ctx context.Context, holder string, lease time.Duration, seen []store.Fence) ([]store.News, error) {
	news, err := b.Feed.Poll(ctx, holder, lease, seen)
	for i := range news {
		news[i].Names = nil
	}
	return news, err
}

// optimist takes every eviction for confirmed.
type optimist struct{ wrapped }

func (b optimist) Evict(ctx context.Context, tags ...string) error {
	_ = b.Backend.Evict(ctx, tags...)
	return nil
}

// sluggard promises to evict, and does not honour that meanwhile.
type sluggard struct{ wrapped }

var errSluggard = fmt.Errorf("later: %w", store.ErrEvictionPending)

func (b sluggard) Evict(ctx context.Context, tags ...string) error {
	time.AfterFunc(50*time.Millisecond, func() { _ = b.Backend.Evict(context.WithoutCancel(ctx), tags...) })
	return errSluggard
}

func feedOf(b store.Backend) store.Feed {
	feed, _ := store.As[store.Feed](b)
	return feed
}

// TestTheJudgeNotices breaks the fleet in one way at a time, each of which has to be noticed, and for the right reason.
func TestTheJudgeNotices(t *testing.T) {
	t.Parallel()
	all := func(f func(store.Backend) store.Backend) func(plan, store.Backend) store.Backend {
		return func(_ plan, b store.Backend) store.Backend { return f(b) }
	}
	only := func(name string, f func(store.Backend) store.Backend) func(plan, store.Backend) store.Backend {
		return func(p plan, b store.Backend) store.Backend {
			if p.name == name {
				return f(b)
			}
			return b
		}
	}
	tests := []struct {
		name string
		variant
		kind string
	}{
		{"an eviction deletes what an index knows", variant{
			design: func(w *world, _ plan, b store.Backend) store.Backend {
				return indexSets{wrapped{b}, w.direct(w.server)}
			},
			plain: true,
		}, belowFloor},
		{"wall clocks are compared", variant{
			design: func(w *world, _ plan, b store.Backend) store.Backend {
				return wallClock{indexSets{wrapped{b}, w.direct(w.server)}, rand.N(skewed)}
			},
			plain: true,
		}, belowFloor},
		{"who comes after the verdict takes part", variant{unsealed: true, plain: true}, belowFloor},
		{"a failover goes unnoticed", variant{
			blind: true, pair: true, options: blindOptions, chaos: true, only: "failover",
		}, belowFloor},
		{"an old copy goes unnoticed", variant{
			blind: true, options: blindOptions, chaos: true, only: "old copy",
		}, belowFloor},
		{"the fence is taken after the fill", variant{
			remote: all(func(b store.Backend) store.Backend { return lateFence{wrapped{b}} }),
		}, belowFloor},
		{"who waits gets what was fenced", variant{
			outer: all(func(b store.Backend) store.Backend { return yesMan{wrapped{b}} }),
			fill:  25 * time.Millisecond,
			plain: true, // so that an eviction is done while others still wait for a fill
		}, belowFloor},
		{"evictions do not wait for a lease", variant{
			remote:  only("lease", func(b store.Backend) store.Backend { return unheard{wrapped{b}, feedOf(b)} }),
			patient: true, slow: 20 * time.Millisecond, few: true, spared: "lease",
		}, belowFloor},
		{"a lease goes on without news", variant{
			remote: only("lease", func(b store.Backend) store.Backend { return deaf{wrapped{b}, feedOf(b)} }),
			few:    true, spared: "lease",
		}, belowFloor},
		{"bounded memory goes on without news", variant{
			remote: only("bounded", func(b store.Backend) store.Backend { return deaf{wrapped{b}, feedOf(b)} }),
			few:    true, spared: "bounded",
		}, tooOld},
		{"an eviction that failed counts", variant{
			remote: all(func(b store.Backend) store.Backend { return optimist{wrapped{b}} }), chaos: true,
		}, belowFloor},
		{"a queued eviction is not honoured", variant{
			outer: only("plain", func(b store.Backend) store.Backend { return sluggard{wrapped{b}} }),
		}, belowOwn},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.variant)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			w.read()
			go func() {
				for w.count(tt.kind) == 0 && ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			w.run(ctx, tt.chaos)
			close(w.done)
			w.readers.Wait()
			if w.count(tt.kind) == 0 {
				t.Fatalf("not noticed within %v, %d reads", patience, w.reads.Load())
			}
			_, texts := w.total()
			t.Logf("noticed after %v and %d reads: %s", time.Since(began).Round(time.Millisecond), w.reads.Load(), texts[0])
		})
	}
}
