package bench_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"testing"
	"time"
)

// ttl is how long every cache keeps its values.
const ttl = time.Hour

// plain is a struct of ten fields that can be copied by assignment.
type plain struct {
	ID, Price, Stock, Weight, Updated int64
	Name, Brand, Category             string
	Rating                            float64
	Active                            bool
}

// shared is one that cannot: who copies it by assignment has the same Tags.
type shared struct {
	ID, Price, Stock, Weight int64
	Name, Brand, Category    string
	Rating                   float64
	Active                   bool
	Tags                     []string
}

func plainOf(id int) plain {
	return plain{int64(id), 1999, 12, 340, 1, "Kestrel", "Hawk", "kites", 4.5, true}
}

func sharedOf(id int) shared {
	return shared{int64(id), 1999, 12, 340, "Kestrel", "Hawk", "kites", 4.5, true, []string{"new", "sale"}}
}

// source is what the caches load from. It counts.
type source[T any] struct {
	of    func(id int) T
	ids   map[string]int
	pause time.Duration // how long a load takes at least
	loads atomic.Int64
}

func newSource[T any](of func(id int) T, keys ...string) *source[T] {
	s := &source[T]{of: of, ids: map[string]int{}}
	for i, key := range keys {
		s.ids[key] = i
	}
	return s
}

func (s *source[T]) load(_ context.Context, key string) (v T, err error) {
	s.loads.Add(1)
	time.Sleep(s.pause)
	id, ok := s.ids[key]
	if !ok {
		return v, fmt.Errorf("no %q", key)
	}
	return s.of(id), nil
}

// check fails the test if v is not the value of id.
func (s *source[T]) check(tb testing.TB, id int, v T) {
	tb.Helper()
	if want := s.of(id); !reflect.DeepEqual(v, want) {
		tb.Errorf("got %+v, want %+v", v, want)
	}
}

// loaded fails the test if there were not so many loads.
func (s *source[T]) loaded(tb testing.TB, want int) {
	tb.Helper()
	if n := s.loads.Load(); n != int64(want) {
		tb.Errorf("%d loads, want %d", n, want)
	}
}

// zipf returns the keys, and an order in which to ask for them: the first ones much more often than the last ones.
func zipf(keys, length int) (names []string, order []int) {
	for i := range keys {
		names = append(names, fmt.Sprintf("product:%d", i))
	}
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(keys-1))
	for range length {
		order = append(order, int(z.Uint64()))
	}
	return names, order
}
