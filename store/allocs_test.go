//go:build !race

package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// TestAHitAllocatesNothing asserts that a value which can be copied by assignment, or is immutable, is not decoded on a hit
// in memory. The race detector makes sync.Pool forget at random, so this file is not for it: `make exact` runs it.
func TestAHitAllocatesNothing(t *testing.T) {
	immutable := store.For(time.Hour, "tag")
	immutable.Immutable = true
	for name, n := range map[string]float64{
		"plain":     allocations(t, store.For(time.Hour, "tag"), somePlain),
		"immutable": allocations(t, immutable, someShared),
		"pointer":   allocations(t, immutable, &someShared),
		"string":    allocations(t, store.For(time.Hour, "tag"), "text"),
	} {
		if n != 0 {
			t.Errorf("%s: %v allocations a hit", name, n)
		}
	}
}

func allocations[T any](t *testing.T, o store.Options, v T) float64 {
	t.Helper()
	s := store.New(memstore.New(memstore.Config{}), store.Config{})
	defer s.Close()
	load := func(context.Context) (T, error) { return v, nil } //nolint:unparam // a load
	get := func() {
		if _, err := store.GetOrSet(t.Context(), s, "k", o, load); err != nil {
			t.Error(err)
		}
	}
	get()
	n := testing.AllocsPerRun(200, get)
	if loads := s.Stats().Loads; loads != 1 {
		t.Errorf("%d loads", loads)
	}
	return n
}
