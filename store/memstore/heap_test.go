package memstore_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// heap returns the bytes that are reachable.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// load returns a budget and how many keys go through it: 64 MiB and a million, unless somebody is in a hurry. The race
// detector is: it makes everything ten times slower and finds nothing here.
func load() (budget int64, keys int) {
	if testing.Short() || raceEnabled {
		return 8 << 20, 100_000
	}
	return 64 << 20, 1_000_000
}

// within insists that s took no more heap than its budget and a quarter since before was measured.
func within(t *testing.T, s *memstore.Store, before int64) {
	t.Helper()
	stats := s.Stats()
	ratio := float64(heap()-before) / float64(stats.MaxBytes)
	t.Logf("%d entries, %.1f MiB reckoned, heap %.3f of the budget", stats.Entries, float64(stats.Bytes)/(1<<20), ratio)
	if limit := 1.25; ratio > limit {
		t.Errorf("the heap grew by %.3f of the budget, want at most %v", ratio, limit)
	}
	if stats.Bytes > stats.MaxBytes {
		t.Errorf("%d bytes reckoned, budget %d", stats.Bytes, stats.MaxBytes)
	}
	runtime.KeepAlive(s)
}

// pour stores n records with keys that were never there before, each with memory of its own, as they come from an
// application.
func pour(t *testing.T, s *memstore.Store, prefix string, n, size, tags int) {
	t.Helper()
	f := fence(t, s)
	for i := range n {
		r := store.Record{Value: make([]byte, size), TTL: time.Hour, Fence: f}
		k := fmt.Sprint(prefix, i)
		if size > 1 {
			k = fmt.Sprintf("%s GET /products/%d?page=1&sort=name accept-language=en-GB", prefix, i)
			r.Tags = []string{strings.Clone("catalog"), fmt.Sprintf("product:%d", i)}
		}
		for range tags {
			r.Tags = append(r.Tags, strings.Repeat("t", 200))
		}
		if v, err := s.Store(context.Background(), k, r); v != store.Stored {
			t.Fatal(v, err)
		}
	}
}

// TestI8_HeapStaysWithinBudget is not parallel, nor are those below: they measure the heap of the whole process.
func TestI8_HeapStaysWithinBudget(t *testing.T) {
	tests := []struct {
		name string
		size int // of a value
		tags int // of 200 bytes, besides two short ones
	}{
		{"records of next to nothing", 1, 0},
		{"100 bytes", 100, 0},
		{"1 KiB", 1024, 0},
		{"more tags than value", 100, 12},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			budget, keys := load()
			before := heap()
			s := open(t, memstore.Config{MaxBytes: budget})
			pour(t, s, "", keys/(1+test.tags), test.size, test.tags)
			within(t, s, before)
			audit(t, s)
			_ = s.Close()
			if left := heap() - before; left > 4<<20 {
				t.Errorf("after Close %d bytes are left", left)
			}
		})
	}
}

// TestI8_HeapAfterAShift fills the budget with small records and then with large ones: the maps of the many must not
// stay.
func TestI8_HeapAfterAShift(t *testing.T) {
	budget, _ := load()
	before := heap()
	s := open(t, memstore.Config{MaxBytes: budget})
	pour(t, s, "", int(budget/256), 1, 0)
	pour(t, s, "large", int(budget/8192), 16<<10, 0)
	memstore.Sweep(s)
	within(t, s, before)
	audit(t, s)
}

// TestI8_FencesCount fills the fence table many times over, and then the rest of the budget.
func TestI8_FencesCount(t *testing.T) {
	budget, keys := load()
	before := heap()
	s := open(t, memstore.Config{MaxBytes: budget})
	for i := range keys {
		evict(t, s, fmt.Sprint("tag", i))
	}
	if held := s.Stats().Bytes; held < budget/64 {
		t.Errorf("fences of %d bytes: not what was to be tested", held)
	}
	pour(t, s, "", int(budget/400), 100, 0)
	within(t, s, before)
	audit(t, s)
}

// TestI8_BookkeepingIsPartOfTheBudget adds up what may be in use at once.
func TestI8_BookkeepingIsPartOfTheBudget(t *testing.T) {
	for _, size := range []int64{64 << 10, 1 << 20, 64 << 20, 1 << 30, 16 << 30} {
		s := open(t, memstore.Config{MaxBytes: size})
		records, rest := memstore.Budget(s), memstore.Reserved(s)
		if records+rest > size {
			t.Errorf("of %d bytes: %d for records and %d for the rest", size, records, rest)
		}
		if rest > size/16 {
			t.Errorf("of %d bytes the bookkeeping takes %d", size, rest)
		}
		_ = s.Close()
	}
}

// TestI8_ABudgetForEverySize measures what a small and a large store take.
func TestI8_ABudgetForEverySize(t *testing.T) {
	budget, _ := load()
	for _, budget := range []int64{1 << 20, 4 * budget} {
		t.Run(fmt.Sprintf("MiB=%d", budget>>20), func(t *testing.T) {
			before := heap()
			s := open(t, memstore.Config{MaxBytes: budget})
			pour(t, s, "", int(budget/400), 100, 0)
			within(t, s, before)
		})
	}
}
