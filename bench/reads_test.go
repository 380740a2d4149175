package bench_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	gocache "github.com/patrickmn/go-cache"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// readKeys is how many keys BenchmarkReads looks up, each once an operation and a goroutine.
const readKeys = 1 << 14

// BenchmarkReads looks many keys up from one goroutine and from two: in our memory, which is go-cache in shards, and in a
// single go-cache. ns/read is the time by the number of look-ups that all of them made.
func BenchmarkReads(b *testing.B) {
	keys := make([]string, readKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("product:%d", i)
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	b.Run("memstore", func(b *testing.B) { benchmarkReads(b, keys, ofMemstore(b, keys)) })
	b.Run("go-cache", func(b *testing.B) { benchmarkReads(b, keys, ofGoCache(keys)) })
}

func ofMemstore(b *testing.B, keys []string) func(key string, bytes []byte) bool {
	b.Helper()
	s := memstore.New(memstore.Config{MaxBytes: 512 << 20})
	b.Cleanup(func() { _ = s.Close() })
	for _, key := range keys {
		found, err := s.Lookup(b.Context(), key)
		if err != nil {
			b.Fatal(err)
		}
		r := store.Record{Value: make([]byte, 1024), Tags: []string{"products"}, TTL: ttl, Fence: found[0].Fence}
		if v, err := s.Store(b.Context(), key, r); v != store.Stored || err != nil {
			b.Fatal(v, err)
		}
	}
	return func(_ string, bytes []byte) bool {
		_, _, ok := s.Peek(bytes)
		return ok
	}
}

func ofGoCache(keys []string) func(key string, bytes []byte) bool {
	c := gocache.New(time.Hour, 0)
	for _, key := range keys {
		c.SetDefault(key, make([]byte, 1024))
	}
	return func(key string, _ []byte) bool {
		_, ok := c.Get(key)
		return ok
	}
}

func benchmarkReads(b *testing.B, keys []string, read func(key string, bytes []byte) bool) {
	b.Helper()
	asBytes := make([][]byte, len(keys))
	for i, key := range keys {
		asBytes[i] = []byte(key)
	}
	all := func(from int) {
		for i := range keys {
			at := (from + i) % len(keys)
			if !read(keys[at], asBytes[at]) {
				b.Error("a miss")
				return
			}
		}
	}
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			for b.Loop() {
				var readers sync.WaitGroup
				for g := range goroutines {
					readers.Go(func() { all(g * len(keys) / 2) })
				}
				readers.Wait()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*goroutines*len(keys)), "ns/read")
		})
	}
}
