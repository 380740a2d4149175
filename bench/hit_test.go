package bench_test

import (
	"sync"
	"testing"
	"time"
)

// BenchmarkGetOrSetHit asks for one value that is there.
func BenchmarkGetOrSetHit(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkHit(b, ofPlain(), plainOf) })
	b.Run("slice", func(b *testing.B) { benchmarkHit(b, ofShared(), sharedOf) })
}

func benchmarkHit[T any](b *testing.B, peers []peer[T], of func(id int) T) {
	b.Helper()
	for _, p := range peers {
		b.Run(p.name, func(b *testing.B) {
			b.Run("one", func(b *testing.B) { benchmarkOne(b, p, newSource(of, "product:7")) })
			b.Run("parallel", func(b *testing.B) { benchmarkParallel(b, p, newSource(of, "product:7")) })
		})
	}
}

func benchmarkOne[T any](b *testing.B, p peer[T], s *source[T]) {
	b.Helper()
	ctx, get := b.Context(), p.one(b, s, "product:7")
	s.check(b, 0, first(b, get))
	b.ReportAllocs()
	var last T
	for b.Loop() {
		v, err := get(ctx, "product:7")
		if err != nil {
			b.Fatal(err)
		}
		last = v
	}
	s.check(b, 0, last)
	s.loaded(b, 1)
}

func benchmarkParallel[T any](b *testing.B, p peer[T], s *source[T]) {
	b.Helper()
	ctx, get := b.Context(), p.one(b, s, "product:7")
	s.check(b, 0, first(b, get))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		last := s.of(0)
		for pb.Next() {
			v, err := get(ctx, "product:7")
			if err != nil {
				b.Error(err)
				return
			}
			last = v
		}
		s.check(b, 0, last)
	})
	s.loaded(b, 1)
}

// first has the value loaded.
func first[T any](b *testing.B, get getter[T]) T {
	b.Helper()
	v, err := get(b.Context(), "product:7")
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkZipfHit asks for 10,000 values that are all there, a few of them very often. Each call makes the closure that
// would load its key, as a caller does, where the cache wants one. Every value has been asked for once before: ours
// decodes a value the first time it is found in memory.
func BenchmarkZipfHit(b *testing.B) {
	keys, order := zipf(10_000, 1<<16)
	for _, p := range ofPlain() {
		b.Run(p.name, func(b *testing.B) {
			b.Run("one", func(b *testing.B) {
				s := newSource(plainOf, keys...)
				get := filled(b, p, s, keys)
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					ask(b, get, keys, order[i&(len(order)-1)])
					i++
				}
				s.loaded(b, len(keys))
			})
			b.Run("parallel", func(b *testing.B) {
				s := newSource(plainOf, keys...)
				get := filled(b, p, s, keys)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						ask(b, get, keys, order[i&(len(order)-1)])
					}
				})
				s.loaded(b, len(keys))
			})
		})
	}
}

// filled returns a getter of a cache that has all keys.
func filled(b *testing.B, p peer[plain], s *source[plain], keys []string) getter[plain] {
	b.Helper()
	get := p.open(b, s)
	for range 2 {
		for id := range keys {
			ask(b, get, keys, id)
		}
	}
	return get
}

//nolint:thelper // Helper takes a lock, and this is what is measured
func ask(b *testing.B, get getter[plain], keys []string, id int) {
	v, err := get(b.Context(), keys[id])
	if err != nil || v.ID != int64(id) {
		b.Errorf("%s: got %+v, %v", keys[id], v, err)
	}
}

// TestStampede sends 1,000 callers at once for a value that is not there.
func TestStampede(t *testing.T) {
	t.Parallel()
	for i, p := range ofPlain() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newSource(plainOf, "product:7")
			s.pause = 50 * time.Millisecond
			stampede(t, p.open(t, s), s)
			// Only ours is held to it. A caller of another cache may have looked before the value was there, and
			// have asked for the load after it had ended.
			if n := s.loads.Load(); i == 0 {
				s.loaded(t, 1)
			} else {
				t.Logf("%d loads", n)
			}
		})
	}
}

func stampede(t *testing.T, get getter[plain], s *source[plain]) {
	t.Helper()
	var callers sync.WaitGroup
	begin := make(chan struct{})
	for range 1000 {
		callers.Go(func() {
			<-begin
			v, err := get(t.Context(), "product:7")
			if err != nil {
				t.Error(err)
				return
			}
			s.check(t, 0, v)
		})
	}
	close(begin)
	callers.Wait()
}
