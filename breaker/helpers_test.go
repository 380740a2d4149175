package breaker_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

var errDown = errors.New("LOADING Redis is loading the dataset in memory")

// op is a method of a backend.
type op string

const (
	lookup  op = "look-up"
	keep    op = "store"
	evict   op = "evict"
	remove  op = "delete"
	replace op = "replace"
)

type memory = memstore.Store

// flaky is a backend that does what a test says, and else what memory does.
type flaky struct {
	*memory

	mu     sync.Mutex
	before func(ctx context.Context, what op, names []string) error // nil: go on; may be called concurrently
	after  func(what op, names []string) error                      // done, but maybe not said so
	calls  map[op]int
	times  []time.Time // of look-ups
}

func newFlaky() *flaky {
	return &flaky{memory: memstore.New(memstore.Config{}), calls: map[op]int{}}
}

// is lets every call begin with f. Nil: the backend is well.
func (f *flaky) is(before func(ctx context.Context, what op, names []string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, nil
}

func (f *flaky) then(after func(what op, names []string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = after
}

// down fails at once.
func down(context.Context, op, []string) error { return errDown }

// hung does not answer before its caller has gone.
func hung(ctx context.Context, _ op, _ []string) error {
	<-ctx.Done()
	return ctx.Err()
}

// only lets a fault happen to some operations.
func only(fault func(context.Context, op, []string) error, these ...op) func(context.Context, op, []string) error {
	return func(ctx context.Context, what op, names []string) error {
		if !slices.Contains(these, what) {
			return nil
		}
		return fault(ctx, what, names)
	}
}

func (f *flaky) begin(ctx context.Context, what op, names ...string) error {
	f.mu.Lock()
	f.calls[what]++
	if what == lookup {
		f.times = append(f.times, time.Now())
	}
	before := f.before
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(ctx, what, names)
}

func (f *flaky) end(what op, names ...string) error {
	f.mu.Lock()
	after := f.after
	f.mu.Unlock()
	if after == nil {
		return nil
	}
	return after(what, names)
}

func (f *flaky) count(what op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[what]
}

func (f *flaky) lookups() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.times...)
}

func (f *flaky) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	if err := f.begin(ctx, lookup, keys...); err != nil {
		return nil, err
	}
	found, err := f.memory.Lookup(ctx, keys...)
	return found, errors.Join(err, f.end(lookup, keys...))
}

func (f *flaky) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	if err := f.begin(ctx, keep, key); err != nil {
		return store.Unknown, err
	}
	v, err := f.memory.Store(ctx, key, r)
	if failed := f.end(keep, key); failed != nil {
		return store.Unknown, failed
	}
	return v, err
}

func (f *flaky) Evict(ctx context.Context, tags ...string) error {
	if err := f.begin(ctx, evict, tags...); err != nil {
		return err
	}
	return errors.Join(f.memory.Evict(ctx, tags...), f.end(evict, tags...))
}

func (f *flaky) Delete(ctx context.Context, keys ...string) error {
	if err := f.begin(ctx, remove, keys...); err != nil {
		return err
	}
	return errors.Join(f.memory.Delete(ctx, keys...), f.end(remove, keys...))
}

func (f *flaky) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	if err := f.begin(ctx, replace, append([]string{key}, tags...)...); err != nil {
		return store.Unknown, err
	}
	v, err := f.memory.Replace(ctx, key, r, tags...)
	return v, errors.Join(err, f.end(replace, key))
}

// rig is a breaker over a flaky backend. It is closed when its test ends, if that has not done so.
type rig struct {
	*breaker.Breaker

	t    *testing.T
	back *flaky
}

func newRig(t *testing.T, c breaker.Config) *rig {
	t.Helper()
	back := newFlaky()
	return around(t, back, back, c)
}

func around(t *testing.T, back *flaky, b store.Backend, c breaker.Config) *rig {
	t.Helper()
	r := &rig{Breaker: breaker.New(b, c), t: t, back: back}
	if err := r.Check(); err != nil {
		t.Fatalf("Check = %v", err)
	}
	t.Cleanup(func() {
		back.is(nil)
		_ = r.Close()
	})
	return r
}

// find looks one key up and insists that there is no error.
func (r *rig) find(key string) store.Found {
	r.t.Helper()
	found, err := r.Lookup(r.t.Context(), key)
	if err != nil || len(found) != 1 {
		r.t.Fatalf("Lookup(%q) = %v, %v", key, found, err)
	}
	return found[0]
}

func (r *rig) hits(key, value string) {
	r.t.Helper()
	if f := r.find(key); f.Record == nil || string(f.Record.Value) != value {
		r.t.Fatalf("Lookup(%q) = %v, want %q", key, f.Record, value)
	}
}

func (r *rig) misses(key string) store.Fence {
	r.t.Helper()
	f := r.find(key)
	if f.Record != nil {
		r.t.Fatalf("Lookup(%q) found %q, want a miss", key, f.Record.Value)
	}
	return f.Fence
}

// put fills key from the look-up on.
func (r *rig) put(key, value string, tags ...string) {
	r.t.Helper()
	r.offer(store.Stored, key, value, r.find(key).Fence, tags...)
}

// offer stores a value and insists on the verdict.
func (r *rig) offer(want store.Verdict, key, value string, f store.Fence, tags ...string) {
	r.t.Helper()
	got, err := r.Store(r.t.Context(), key, record(value, f, tags...))
	if got != want {
		r.t.Fatalf("Store(%q) = %v, %v, want %v", key, got, err, want)
	}
}

func record(value string, f store.Fence, tags ...string) store.Record {
	return store.Record{Value: []byte(value), Tags: tags, TTL: time.Hour, Fence: f}
}

// pends evicts tags and insists that they are queued.
func (r *rig) pends(tags ...string) {
	r.t.Helper()
	if err := r.Evict(r.t.Context(), tags...); !errors.Is(err, store.ErrEvictionPending) {
		r.t.Fatalf("Evict(%q) = %v, want ErrEvictionPending", tags, err)
	}
}

// evicted evicts tags and insists that it is confirmed.
func (r *rig) evicted(tags ...string) {
	r.t.Helper()
	if err := r.Evict(r.t.Context(), tags...); err != nil {
		r.t.Fatalf("Evict(%q) = %v", tags, err)
	}
}

// trip makes the backend fail until the breaker opens. Afterwards the backend still fails.
func (r *rig) trip() {
	r.t.Helper()
	r.back.is(down)
	for range 5 {
		_, _ = r.Lookup(r.t.Context(), "any")
	}
	r.in(breaker.Open)
}

func (r *rig) in(want breaker.State) {
	r.t.Helper()
	if got := r.State(); got != want {
		r.t.Fatalf("State = %v, want %v", got, want)
	}
}

// takes insists on how long f takes, on the bubble's clock.
func takes(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took != want {
		t.Errorf("it took %v, want %v", took, want)
	}
}
