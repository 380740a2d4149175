package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// plainTen is a struct of ten fields that can be copied by assignment, sharedTen one that cannot.
type plainTen struct {
	ID, Price, Stock, Weight int64
	Name, Brand, Category    string
	Rating                   float64
	Active                   bool
	Updated                  time.Time
}

type sharedTen struct {
	ID, Price, Stock, Weight int64
	Name, Brand, Category    string
	Rating                   float64
	Active                   bool
	Tags                     []string
}

var (
	somePlain  = plainTen{7, 1999, 12, 340, "Kestrel", "Hawk", "kites", 4.5, true, time.Unix(1, 0).UTC()}
	someShared = sharedTen{7, 1999, 12, 340, "Kestrel", "Hawk", "kites", 4.5, true, []string{"new", "sale"}}
)

func benchmarkHit[T any](b *testing.B, o store.Options, v T) {
	b.Helper()
	s := store.New(memstore.New(memstore.Config{}), store.Config{})
	defer s.Close()
	loads := 0
	load := func(context.Context) (T, error) {
		loads++
		return v, nil
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.GetOrSet(ctx, s, "product:7", o, load); err != nil {
			b.Fatal(err)
		}
	}
	if loads != 1 {
		b.Fatalf("%d loads", loads)
	}
}

func BenchmarkGetOrSetHit(b *testing.B) {
	benchmarkHit(b, store.For(time.Hour, "product:7"), somePlain)
}

func BenchmarkGetOrSetHitImmutable(b *testing.B) {
	o := store.For(time.Hour, "product:7")
	o.Immutable = true
	benchmarkHit(b, o, someShared)
}

// BenchmarkGetOrSetHitCopied makes every caller a copy of its own, by JSON.
func BenchmarkGetOrSetHitCopied(b *testing.B) {
	benchmarkHit(b, store.For(time.Hour, "product:7"), someShared)
}
