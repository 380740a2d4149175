package memstore_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

func TestConfigMistakesAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config memstore.Config
		want   []string // the field, the value, the fix
	}{
		{"negative MaxBytes", memstore.Config{MaxBytes: -1}, []string{"MaxBytes", "-1", "65536"}},
		{"MaxBytes meant in MiB", memstore.Config{MaxBytes: 64}, []string{"MaxBytes", "64 bytes", "67108864"}},
		{"MaxBytes without end", memstore.Config{MaxBytes: math.MaxInt64}, []string{"MaxBytes", "9223372036854775807", "at most"}},
		{"negative Shards", memstore.Config{Shards: -16}, []string{"Shards", "-16", "power of two"}},
		{"Shards not a power of two", memstore.Config{Shards: 12}, []string{"Shards", "12", "power of two"}},
		{"too many Shards", memstore.Config{Shards: 1 << 20}, []string{"Shards", "1048576", "4096"}},
		{"negative SweepEvery", memstore.Config{SweepEvery: -time.Second}, []string{"SweepEvery", "-1s", "30s"}},
		{"SweepEvery meant in seconds", memstore.Config{SweepEvery: 30}, []string{"SweepEvery", "30ns", "1ms"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := memstore.New(test.config)
			err := s.Check()
			if err == nil {
				t.Fatal("Check = nil")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Check = %q, which does not say %q", err, want)
				}
			}
			keepsNothing(t, s, err)
			if err := s.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			keepsNothing(t, s, err)
		})
	}
}

// keepsNothing insists that s behaves like a cache that is not there, and says why.
func keepsNothing(t *testing.T, s *memstore.Store, why error) {
	t.Helper()
	ctx := t.Context()
	found, err := s.Lookup(ctx, "k", "l")
	if err != nil || len(found) != 2 || found[0].Record != nil || found[1].Fence != (store.Fence{}) {
		t.Errorf("Lookup = %v, %v, want two misses without a fence", found, err)
	}
	good := fence(t, open(t, memstore.Config{}))
	if v, err := s.Store(ctx, "k", store.Record{TTL: time.Hour, Fence: good}); v != store.Refused || err != why { //nolint:errorlint // the very same
		t.Errorf("Store = %v, %v, want refused, %v", v, err, why)
	}
	if err := s.Evict(ctx, "a"); err != nil {
		t.Errorf("Evict = %v", err)
	}
	if err := s.Delete(ctx, "k"); err != nil {
		t.Errorf("Delete = %v", err)
	}
	if has(s, "k") || s.Stats().Entries != 0 {
		t.Error("something is there")
	}
}

func TestZeroConfigWorks(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	put(t, s, "k", []byte("v"), "a")
	if !has(s, "k") {
		t.Error("not found")
	}
	if stats := s.Stats(); stats.MaxBytes != 64<<20 {
		t.Errorf("MaxBytes = %d, want 64 MiB", stats.MaxBytes)
	}
}
