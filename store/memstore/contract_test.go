package memstore_test

import (
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/storetest"
)

// configs are what the contract has to hold for: how many shards there are and how often the sweeper goes round must
// not show.
var configs = []struct {
	name   string
	config memstore.Config
}{
	{"default", memstore.Config{}},
	{"one shard", memstore.Config{Shards: 1}},
	{"many shards", memstore.Config{Shards: 256, MaxBytes: 8 << 20}},
	{"restless sweeper", memstore.Config{SweepEvery: time.Second}},
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(*testing.T) store.Backend { return memstore.New(c.config) })
		})
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			storetest.Property(t, func(*testing.T) store.Backend { return memstore.New(c.config) })
		})
	}
}
