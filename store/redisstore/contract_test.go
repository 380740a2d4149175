package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/storetest"
)

// configs are what the contract has to hold for. How many shards there are must not show.
var configs = []struct {
	name   string
	dial   func(testing.TB) redis.UniversalClient
	config redisstore.Config
}{
	{"one shard", oneServer, redisstore.Config{}},
	{"several shards", oneServer, redisstore.Config{Shards: 5}},
	{"sealed", oneServer, redisstore.Config{Keys: [][]byte{sealKey(1), sealKey(2)}}},
	{"cluster", threeMasters, redisstore.Config{}},
	{"sentinel", behindSentinels, redisstore.Config{}},
}

func oneServer(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	return patientClient(tb, testredis.Start(tb))
}

func threeMasters(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	return patientClient(tb, testredis.StartCluster(tb, 3)...)
}

func behindSentinels(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	return sentinelClient(tb, testredis.StartSentinels(tb))
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			harness(t, c.dial(t), c.config).Run(t)
		})
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			harness(t, c.dial(t), c.config).Property(t)
		})
	}
}

// harness returns one over a client.
func harness(t *testing.T, client redis.UniversalClient, c redisstore.Config) storetest.Harness {
	t.Helper()
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
