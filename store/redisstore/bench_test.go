package redisstore_test

import (
	"fmt"
	"testing"
	"time"

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

// BenchmarkDecode takes a record of two tags apart, as each hit does. Its checksum goes over the value, so the value's
// size shows.
func BenchmarkDecode(b *testing.B) {
	s := unconnected(b)
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("record/%d", size), func(b *testing.B) {
			r := store.Record{
				Value: make([]byte, size), Tags: []string{"product:7", "catalog"}, TTL: time.Hour,
				Fence: store.Fence{Epoch: [16]byte{1}, Tick: 7},
			}
			whole, head := s.Encoded("key", r)
			b.ReportAllocs()
			for b.Loop() {
				if got, err := redisstore.Decode(whole, head, "key"); err != nil || len(got.Value) != size {
					b.Fatal(err)
				}
			}
		})
	}
}
