package redisstore_test

import (
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/storetest"
)

// configs are what the contract has to hold for. How many shards there are must not show.
var configs = []struct {
	name    string
	masters int
	config  redisstore.Config
}{
	{"one shard", 1, redisstore.Config{}},
	{"several shards", 1, redisstore.Config{Shards: 5}},
	{"cluster", 3, redisstore.Config{}},
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			harness(t, c.masters, c.config).Run(t)
		})
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			harness(t, c.masters, c.config).Property(t)
		})
	}
}

// harness returns one over servers of its own.
func harness(t *testing.T, masters int, c redisstore.Config) storetest.Harness {
	t.Helper()
	servers := []*testredis.Server{}
	if masters > 1 {
		servers = testredis.StartCluster(t, masters)
	} else {
		servers = append(servers, testredis.Start(t))
	}
	client := patientClient(t, servers...)
	return storetest.Harness{
		Sleep: time.Sleep,
		Open: func(*testing.T) store.Backend {
			c := patient(c)
			c.Namespace = namespace()
			c.Lease = time.Millisecond // nobody holds one, and the first eviction in each namespace waits for that
			return redisstore.New(client, c)
		},
	}
}
