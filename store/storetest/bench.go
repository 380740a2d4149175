package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
)

// benchMany is how many records carry the tag in the benchmark of an eviction of many.
const benchMany = 10_000

// Bench runs the benchmarks that every backend can run: a hit (of one key, of sixteen, and by Peek where there is one),
// a miss, a fill's two trips, and an eviction of ten records and of ten thousand, which has to cost the same. open
// returns an empty backend with room for 20 MiB; Bench closes it.
func Bench(b *testing.B, open func(b *testing.B) store.Backend) {
	b.Helper()
	cases := []struct {
		name    string
		records int
		run     func(b *testing.B, p *probe)
	}{
		{"Hit", 1, benchHit},
		{"Hit16", 16, benchHit16},
		{"Peek", 1, benchPeek},
		{"Miss", 0, benchMiss},
		{"Fill", 0, benchFill},
		{"Evict/records=10", 10, benchEvict},
		{fmt.Sprintf("Evict/records=%d", benchMany), benchMany, benchEvict},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			err := clause{c.name, func(p *probe) {
				for i := range c.records {
					p.put(name("key", i), benchValue, name("tag", i), "catalog", "all")
				}
				b.ReportAllocs()
				c.run(b, p)
			}}.hold(open(b), time.Sleep)
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

var benchValue = string(make([]byte, 1024))

func benchHit(b *testing.B, p *probe) {
	b.Helper()
	for b.Loop() {
		if found, err := p.Lookup(p.ctx, "key:0"); err != nil || found[0].Record == nil {
			b.Fatal("a miss", err)
		}
	}
}

func benchHit16(b *testing.B, p *probe) {
	b.Helper()
	keys := make([]string, 16)
	for i := range keys {
		keys[i] = name("key", i)
	}
	for b.Loop() {
		if found, err := p.Lookup(p.ctx, keys...); err != nil || found[15].Record == nil {
			b.Fatal("a miss", err)
		}
	}
}

func benchPeek(b *testing.B, p *probe) {
	b.Helper()
	local, ok := store.As[store.Local](p.Backend)
	if !ok {
		b.Skip("the backend has no Peek")
	}
	key := []byte("key:0")
	for b.Loop() {
		if _, _, ok := local.Peek(key); !ok {
			b.Fatal("a miss")
		}
	}
}

func benchMiss(b *testing.B, p *probe) {
	b.Helper()
	for b.Loop() {
		if found, err := p.Lookup(p.ctx, "key:0"); err != nil || found[0].Record != nil {
			b.Fatal("a hit", err)
		}
	}
}

// benchFill looks up and stores, a thousand keys in turn.
func benchFill(b *testing.B, p *probe) {
	b.Helper()
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = name("key", i)
	}
	r := store.Record{Value: []byte(benchValue), Tags: []string{"a", "b", "c"}, TTL: long}
	for i := 0; b.Loop(); i++ {
		key := keys[i%len(keys)]
		found, err := p.Lookup(p.ctx, key)
		if err != nil {
			b.Fatal(err)
		}
		r.Fence = found[0].Fence
		if v, err := p.Store(p.ctx, key, r); v != store.Stored {
			b.Fatal(v, err)
		}
	}
}

// benchEvict evicts a tag that all records carry. Only the first time finds them fresh: filling them again every time
// would be the whole of the measurement. A backend that deletes what carries the tag shows itself even so, by an index.
func benchEvict(b *testing.B, p *probe) {
	b.Helper()
	for b.Loop() {
		if err := p.Evict(p.ctx, "all"); err != nil {
			b.Fatal(err)
		}
	}
}
