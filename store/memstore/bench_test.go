package memstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/storetest"
)

// benchKeys is how many keys the benchmarks of many keys look up.
const benchKeys = 1 << 16

// BenchmarkPeek is a hit of one key: the floor of everything that the toolkit does.
func BenchmarkPeek(b *testing.B) {
	s := open(b, memstore.Config{})
	key := []byte(fill(b, s, 1, 1024, "brand:7")[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := s.Peek(key); !ok {
			b.Fatal("a miss")
		}
	}
}

// BenchmarkPeekAfterEvict is a hit that comes after an eviction of something else, so that it has to compare its tags.
func BenchmarkPeekAfterEvict(b *testing.B) {
	s := open(b, memstore.Config{})
	ctx := context.Background()
	key := []byte(fill(b, s, 1, 1024, "brand:7")[0])
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Evict(ctx, "other")
		if _, _, ok := s.Peek(key); !ok {
			b.Fatal("a miss")
		}
	}
}

// BenchmarkLookup is what a backend's caller without Peek pays.
func BenchmarkLookup(b *testing.B) {
	s := open(b, memstore.Config{})
	ctx := context.Background()
	key := fill(b, s, 1, 1024, "brand:7")[0]
	b.ReportAllocs()
	for b.Loop() {
		if found, _ := s.Lookup(ctx, key); found[0].Record == nil {
			b.Fatal("a miss")
		}
	}
}

// BenchmarkPeekOne looks one key up from one goroutine and from two: everybody wants the same page.
func BenchmarkPeekOne(b *testing.B) {
	s := open(b, memstore.Config{})
	key := []byte(fill(b, s, 1, 1024, "brand:7")[0])
	keys := make([][]byte, benchKeys)
	for i := range keys {
		keys[i] = key
	}
	benchPeek(b, s, keys)
}

// BenchmarkPeekMany looks many keys up from one goroutine and from two. scaling is how many look-ups two make in the
// time of one's.
func BenchmarkPeekMany(b *testing.B) {
	s := open(b, memstore.Config{MaxBytes: 512 << 20})
	keys := make([][]byte, benchKeys)
	for i, name := range fill(b, s, benchKeys, 1024, "brand:7") {
		keys[i] = []byte(name)
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	benchPeek(b, s, keys)
}

func benchPeek(b *testing.B, s *memstore.Store, keys [][]byte) {
	b.Helper()
	cost := map[int]float64{}
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var wg sync.WaitGroup
				for g := range goroutines {
					wg.Go(func() { peekAll(b, s, keys, g*benchKeys/2) })
				}
				wg.Wait()
			}
			each := float64(b.Elapsed()) / float64(b.N*goroutines*benchKeys)
			b.ReportMetric(each, "ns/peek")
			cost[goroutines] = each
			if one := cost[1]; goroutines == 2 && one > 0 {
				b.ReportMetric(one/each, "scaling")
			}
		})
	}
}

func peekAll(b *testing.B, s *memstore.Store, keys [][]byte, from int) {
	b.Helper()
	for i := range keys {
		if _, _, ok := s.Peek(keys[(from+i)%len(keys)]); !ok {
			b.Error("a miss")
			return
		}
	}
}

// BenchmarkStore stores over and over, with room for all and with room for few, so that each drops another.
func BenchmarkStore(b *testing.B) {
	for _, budget := range []int64{512 << 20, 8 << 20} {
		b.Run(fmt.Sprintf("MiB=%d", budget>>20), func(b *testing.B) {
			s := open(b, memstore.Config{MaxBytes: budget})
			ctx := context.Background()
			f := fence(b, s)
			keys := fill(b, s, benchKeys, 128, "brand:7")
			r := store.Record{Value: make([]byte, 1024), Tags: []string{"a", "b", "c"}, TTL: time.Hour, Fence: f}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if v, err := s.Store(ctx, keys[i%benchKeys], r); v != store.Stored {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// BenchmarkEvict evicts one tag of ten records and one of a million. It has to cost the same.
func BenchmarkEvict(b *testing.B) {
	ctx := context.Background()
	cost := map[int]float64{}
	for _, records := range []int{10, 1_000_000} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			s := open(b, memstore.Config{MaxBytes: 2 << 30})
			fill(b, s, records, 1, "all")
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Evict(ctx, "all"); err != nil {
					b.Fatal(err)
				}
			}
			cost[records] = float64(b.Elapsed()) / float64(b.N)
			if few := cost[10]; few > 0 {
				b.ReportMetric(cost[records]/few, "ratio")
			}
		})
	}
}

// BenchmarkContract runs the benchmarks that every backend can run.
func BenchmarkContract(b *testing.B) {
	storetest.Bench(b, func(*testing.B) store.Backend { return memstore.New(memstore.Config{MaxBytes: 512 << 20}) })
}
