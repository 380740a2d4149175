package output_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// near is memory in front of a backend that others write to.
type near struct {
	*memory

	far store.Backend
}

func (b near) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	if found, err := b.memory.Lookup(ctx, keys...); err != nil || found[0].Record != nil {
		return found, err
	}
	return b.LookupRemote(ctx, keys...)
}

func (b near) LookupRemote(ctx context.Context, keys ...string) ([]store.Found, error) {
	mine, _ := b.memory.Lookup(ctx, keys...)
	found, err := b.far.Lookup(ctx, keys...)
	if err == nil && found[0].Record != nil {
		r := *found[0].Record
		r.TTL, r.Fence = found[0].Left, mine[0].Fence
		_, _ = b.memory.Store(ctx, keys[0], r)
	}
	return found, err
}

func (b near) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	verdict, err := b.far.Store(ctx, key, r)
	if verdict == store.Stored {
		_, _ = b.LookupRemote(ctx, key)
	}
	return verdict, err
}

// What memory has and is stale does not hide what another process has made since.
func TestStaleInMemoryHidesNothingFresh(t *testing.T) {
	for name, policy := range map[string]output.Policy{
		"while revalidating": forAMinute(), "if error": output.For(10 * time.Second).Jitter(0).StaleIfError(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far, h := memstore.New(memstore.Config{}), numbered(0)
				one := serve(t, output.Config{Store: store.New(near{memstore.New(memstore.Config{}), far}, store.Config{})}, policy, h)
				two := serve(t, output.Config{Store: store.New(near{memstore.New(memstore.Config{}), far}, store.Config{})}, policy, h)
				one.get(t.Context())
				two.wantTold(t, "200 run 1, hit; ttl=10; detail=memory")
				time.Sleep(11 * time.Second)
				one.get(t.Context()) // makes it anew, by itself or in the background
				synctest.Wait()
				two.get(t.Context())
				synctest.Wait()
				two.wantTold(t, "200 run 2, hit; ttl=10; detail=memory")
				if n := one.runs.Load() + two.runs.Load(); n != 2 {
					t.Errorf("the handlers ran %d times", n)
				}
				_ = far.Close()
			})
		})
	}
}

// A backend that cannot be reached keeps nobody from an answer, and no refresh in vain from being noticed.
func TestStaleRefreshWithoutABackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &ailing{Backend: memstore.New(memstore.Config{})}
		p := serve(t, output.Config{Store: store.New(b, store.Config{})}, forAMinute(), numbered(0))
		p.wantTold(t, "200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(11 * time.Second)
		b.ails.Store(2) // from the second look-up on
		p.wantTold(t, "200 run 1, hit; ttl=-1; detail=store", "200 run 2, fwd=uri-miss; detail=backend")
		if s := p.cache.Stats(); s.Unrefreshed != 1 || s.Reasons["backend"] == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// ailing fails from a look-up on.
type ailing struct {
	store.Backend

	ails atomic.Int64 // how many look-ups until then; 0 = never
}

func (b *ailing) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	if n := b.ails.Load(); n == 1 {
		return nil, errFailing
	} else if n > 1 {
		b.ails.Store(n - 1)
	}
	return b.Backend.Lookup(ctx, keys...)
}

// While the backend is away, what may have been evicted is not shown stale besides.
func TestStaleIsNotShownOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &cutOff{memory: memstore.New(memstore.Config{})}
		p := serve(t, output.Config{Store: store.New(b, store.Config{})}, output.For(10*time.Second).Jitter(0).StaleIfError(time.Minute), numbered(0))
		p.get(t.Context())
		b.off = true
		p.wantTold(t, "200 run 1, hit; ttl=10; detail=offline")
		time.Sleep(11 * time.Second)
		if got := p.told(t); strings.Contains(got, "offline") {
			t.Error(got)
		}
	})
}

// A refresh that finds a client's own fill of its page under way, begun when there was none, leaves the page to that.
func TestStaleRefreshFindsAFillUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := struct{ store.Backend }{memstore.New(memstore.Config{})}
		instance := func(takes time.Duration) *page {
			p := output.For(time.Second).Jitter(0).StaleWhileRevalidate(time.Minute)
			return serve(t, output.Config{Store: store.New(shared, store.Config{})}, p, numbered(takes))
		}
		slow, fast := instance(3*time.Second), instance(0)
		go slow.get(t.Context())
		synctest.Wait()
		fast.wantTold(t, "200 run 1, fwd=uri-miss; stored; ttl=1")
		time.Sleep(1500 * time.Millisecond)
		slow.wantTold(t, "200 run 1, hit; ttl=-1; detail=store")
		if s := slow.cache.Stats(); slow.runs.Load() != 1 || s.Refreshes != 1 || s.Unrefreshed != 0 {
			t.Errorf("%d runs, %+v", slow.runs.Load(), s)
		}
		time.Sleep(2 * time.Second)
		slow.wantTold(t, "200 run 1, hit; ttl=0; detail=store")
	})
}
