package tiered_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/tiered"
)

var errDown = errors.New("the remote is down")

// remote is a shared backend with a feed, in memory. Each process has a door of its own to it.
type remote struct {
	records *memstore.Store

	mu      sync.Mutex
	log     []logged
	holders map[string]*holder
	told    chan struct{} // closed and made anew whenever somebody has polled
	fault   string
	hints   []func()
}

type logged struct {
	tick  uint64
	names []string
}

type holder struct {
	applied uint64
	lease   time.Duration
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	r := &remote{records: memstore.New(memstore.Config{}), holders: map[string]*holder{}, told: make(chan struct{})}
	t.Cleanup(func() { _ = r.records.Close() })
	return r
}

// door is how one process sees the remote: it may be cut off, or slow.
type door struct {
	*remote

	mu    sync.Mutex
	cut   bool
	reply time.Duration // how long an answer to Poll takes
	lost  bool          // Poll says once that it has lost count, and nothing else
	trips int
}

func (d *door) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *door) enter(ctx context.Context) (reply time.Duration, err error) {
	d.mu.Lock()
	d.trips++
	cut, reply := d.cut, d.reply
	d.mu.Unlock()
	if cut {
		<-ctx.Done()
		return 0, errors.Join(errDown, ctx.Err())
	}
	return reply, nil
}

func (d *door) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	if _, err := d.enter(ctx); err != nil {
		return nil, err
	}
	return d.records.Lookup(ctx, keys...)
}

func (d *door) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	if _, err := d.enter(ctx); err != nil {
		return store.Unknown, err
	}
	return d.records.Store(ctx, key, r)
}

func (d *door) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	if _, err := d.enter(ctx); err != nil {
		return store.Unknown, err
	}
	_, names := d.Place(key, tags)
	var v store.Verdict
	err := d.evict(ctx, names, func() (err error) {
		v, err = d.records.Replace(ctx, key, r, tags...)
		return err
	})
	return v, err
}

func (d *door) Delete(ctx context.Context, keys ...string) error {
	if _, err := d.enter(ctx); err != nil {
		return err
	}
	var names []string
	for _, key := range keys {
		_, own := d.Place(key, nil)
		names = append(names, own...)
	}
	return d.evict(ctx, names, func() error { return d.records.Delete(ctx, keys...) })
}

func (d *door) Evict(ctx context.Context, tags ...string) error {
	if _, err := d.enter(ctx); err != nil {
		return err
	}
	_, names := d.Place("", tags)
	return d.evict(ctx, names[1:], func() error { return d.records.Evict(ctx, tags...) })
}

func (*door) Check() error { return nil }
func (*door) Close() error { return nil }

func (*remote) Place(key string, tags []string) (int, []string) {
	names := []string{"key:" + key}
	for _, t := range tags {
		names = append(names, "tag:"+t)
	}
	return 0, names
}

func (r *remote) clock() store.Fence {
	found, _ := r.records.Lookup(context.Background(), "")
	return found[0].Fence
}

func (d *door) Poll(ctx context.Context, id string, lease time.Duration, seen []store.Fence) ([]store.News, error) {
	reply, err := d.enter(ctx)
	if err != nil {
		return nil, err
	}
	d.remote.mu.Lock()
	n := store.News{Fence: d.clock(), Lost: seen == nil}
	var applied uint64
	if seen != nil {
		applied = seen[0].Tick
		n.Lost = seen[0].Epoch != n.Fence.Epoch
	}
	for _, l := range d.log {
		if l.tick > applied {
			n.Names = append(n.Names, l.names...)
		}
	}
	d.set(func() {
		if d.lost {
			n.Lost, n.Names, d.lost = true, nil, false
		}
	})
	if id != "" && d.fault != "nobody is remembered" {
		d.holders[id] = &holder{applied, lease}
	}
	close(d.told)
	d.told = make(chan struct{})
	d.remote.mu.Unlock()
	select {
	case <-fakes.After(reply):
		return []store.News{n}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *door) Hints(ctx context.Context, f func()) {
	d.remote.mu.Lock()
	d.hints = append(d.hints, f)
	d.remote.mu.Unlock()
	<-ctx.Done()
}

// evict carries an eviction out, and waits for all who hold a lease, or for their leases.
func (r *remote) evict(_ context.Context, names []string, carryOut func() error) error {
	if len(names) == 0 {
		return carryOut()
	}
	r.mu.Lock()
	if err := carryOut(); err != nil {
		r.mu.Unlock()
		return err
	}
	tick := r.clock().Tick
	r.log = append(r.log, logged{tick, names})
	over := time.Now()
	for _, h := range r.holders {
		over = later(over, time.Now().Add(h.lease+h.lease/10))
	}
	for _, f := range r.hints {
		f()
	}
	for r.waiting(tick) && time.Now().Before(over) && r.fault != "evictions do not wait" {
		told := r.told
		r.mu.Unlock()
		select {
		case <-told:
		case <-fakes.After(time.Until(over)):
		}
		r.mu.Lock()
	}
	r.mu.Unlock()
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (r *remote) waiting(tick uint64) bool {
	for _, h := range r.holders {
		if h.applied < tick {
			return true
		}
	}
	return false
}

// process is one that has memory in front of r.
func process(t *testing.T, r *remote, mode tiered.Mode) (*tiered.Store, *door) {
	t.Helper()
	d := &door{remote: r}
	s := tiered.New(memstore.New(memstore.Config{}), d, tiered.Config{Mode: mode})
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, d
}
