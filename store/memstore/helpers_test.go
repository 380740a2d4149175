package memstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// open returns a store that is closed when the test ends.
func open(tb testing.TB, c memstore.Config) *memstore.Store {
	tb.Helper()
	s := memstore.New(c)
	tb.Cleanup(func() { _ = s.Close() })
	if err := s.Check(); err != nil {
		tb.Fatal(err)
	}
	return s
}

func fence(tb testing.TB, s *memstore.Store) store.Fence {
	tb.Helper()
	found, err := s.Lookup(context.Background(), "any")
	if err != nil {
		tb.Fatal(err)
	}
	return found[0].Fence
}

// put stores value for an hour and insists that it is stored.
func put(tb testing.TB, s *memstore.Store, key string, value []byte, tags ...string) {
	tb.Helper()
	r := store.Record{Value: value, Tags: tags, TTL: time.Hour, Fence: fence(tb, s)}
	if v, err := s.Store(context.Background(), key, r); v != store.Stored {
		tb.Fatalf("Store(%q) = %v, %v", key, v, err)
	}
}

func has(s *memstore.Store, key string) bool {
	_, _, ok := s.Peek([]byte(key))
	return ok
}

func evict(tb testing.TB, s *memstore.Store, tags ...string) {
	tb.Helper()
	if err := s.Evict(context.Background(), tags...); err != nil {
		tb.Fatal(err)
	}
}

func audit(tb testing.TB, s *memstore.Store) {
	tb.Helper()
	if err := memstore.Audit(s); err != nil {
		tb.Error(err)
	}
	if stats := s.Stats(); stats.Bytes > stats.MaxBytes {
		tb.Errorf("%d bytes in use, %d allowed", stats.Bytes, stats.MaxBytes)
	}
}

func key(i int) string {
	return fmt.Sprintf("GET /products/%d?page=1&sort=name accept-language=en-GB", i)
}

// fill stores n records of size bytes with three tags each, of which the last is tag, and returns their keys.
func fill(tb testing.TB, s *memstore.Store, n, size int, tag string) []string {
	tb.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = key(i)
		put(tb, s, keys[i], make([]byte, size), fmt.Sprintf("product:%d", i), "catalog", tag)
	}
	return keys
}
