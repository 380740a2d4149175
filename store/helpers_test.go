package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// row is what tests keep: it cannot be copied by assignment.
type row struct {
	ID   int
	Tags []string
}

// backends are the two ways to find something: in this process without a trip, and by a trip.
var backends = map[string]func() store.Backend{
	"memory": func() store.Backend { return memstore.New(memstore.Config{}) },
	"by trip": func() store.Backend {
		m := memstore.New(memstore.Config{})
		return struct {
			store.Backend
			store.Replacer
		}{m, m}
	},
}

// inSteps is a backend that cannot evict and keep in one step.
func inSteps() store.Backend { return struct{ store.Backend }{memstore.New(memstore.Config{})} }

// inBubbles runs f in a bubble for each of backends.
func inBubbles(t *testing.T, f func(t *testing.T, s *store.Store)) {
	t.Helper()
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { f(t, open(t, backend(), store.Config{})) })
		})
	}
}

// open returns a store that is closed when the test ends, and has nothing under way then.
func open(t *testing.T, b store.Backend, c store.Config) *store.Store {
	t.Helper()
	s := store.New(b, c)
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if n := s.Stats().Loading; n != 0 {
			t.Errorf("%d loads after Close", n)
		}
	})
	return s
}

// source is where loads read.
type source struct {
	mu    sync.Mutex
	value int
	err   error
	takes time.Duration
	loads atomic.Int64
}

func (s *source) set(value int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value, s.err = value, err
}

func (s *source) take(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes = d
}

func (s *source) load(ctx context.Context) (int, error) {
	s.loads.Add(1)
	s.mu.Lock()
	value, err, takes := s.value, s.err, s.takes
	s.mu.Unlock()
	select {
	case <-fakes.After(takes):
		return value, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// wantOne insists that GetOrSet returns 1, where the loads in the background are not to be counted.
func (s *source) wantOne(t *testing.T, in *store.Store, o store.Options) {
	t.Helper()
	if got, err := store.GetOrSet(t.Context(), in, "k", o, s.load); err != nil || got != 1 {
		t.Errorf("%d, %v, want 1", got, err)
	}
}

// want insists on what GetOrSet returns, and on how often was loaded in all.
func (s *source) want(t *testing.T, in *store.Store, o store.Options, value int, loads int64) {
	t.Helper()
	got, err := store.GetOrSet(t.Context(), in, "k", o, s.load)
	if err != nil || got != value || s.loads.Load() != loads {
		t.Errorf("%d, %v after %d loads; want %d after %d", got, err, s.loads.Load(), value, loads)
	}
}

// wantErr insists on an error of GetOrSet, and on how often was loaded in all.
func (s *source) wantErr(t *testing.T, in *store.Store, o store.Options, want error, loads int64) {
	t.Helper()
	got, err := store.GetOrSet(t.Context(), in, "k", o, s.load)
	if !errors.Is(err, want) || got != 0 || s.loads.Load() != loads {
		t.Errorf("%d, %v after %d loads; want %v after %d", got, err, s.loads.Load(), want, loads)
	}
}

var errSource = errors.New("the source is down")
