package redisstore_test

import (
	"testing"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/storetest"
)

func BenchmarkStore(b *testing.B) {
	server := testredis.Start(b)
	client := patientClient(b, server)
	storetest.Bench(b, func(*testing.B) store.Backend {
		return redisstore.New(client, patient(redisstore.Config{Namespace: namespace()}))
	})
}

// BenchmarkHitParallel is what look-ups that travel together cost each.
func BenchmarkHitParallel(b *testing.B) {
	s := open(b, patientClient(b, testredis.Start(b)), redisstore.Config{})
	put(b, s, "k", string(make([]byte, 2<<10)), "a", "b", "c")
	value := string(make([]byte, 2<<10))
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			hit(b, s, "k", value)
		}
	})
}
