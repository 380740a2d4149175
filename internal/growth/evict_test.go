package growth_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// memory is a store with n small records that all carry the tag "all".
func memory(t *testing.T, n int) *memstore.Store {
	t.Helper()
	s := memstore.New(memstore.Config{MaxBytes: room, SweepEvery: 24 * time.Hour})
	found, err := s.Lookup(t.Context(), "0")
	if err != nil {
		t.Fatal(err)
	}
	tags := []string{"all"}
	for i := range n {
		r := store.Record{Value: []byte{1}, Tags: tags, TTL: time.Hour, Fence: found[0].Fence}
		if v, err := s.Store(t.Context(), strconv.Itoa(i), r); v != store.Stored {
			t.Fatal(v, err)
		}
	}
	return s
}

// evictions returns a function that evicts tags, one call after the other.
func evictions(t *testing.T, s store.Backend, tags ...[]string) func(n int) {
	t.Helper()
	at := 0
	return func(n int) {
		for range n {
			if err := s.Evict(t.Context(), tags[at]...); err != nil {
				t.Fatal(err)
			}
			if at++; at == len(tags) {
				at = 0
			}
		}
	}
}

func evictByRecords(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("evict-records", "records that carry the tag", "its eviction", "×")
	few := memory(t, p.records[0])
	defer few.Close()
	for _, n := range p.records {
		s := memory(t, n)
		if found, err := s.Lookup(t.Context(), "0", strconv.Itoa(n-1)); err != nil || found[0].Record == nil || found[1].Record == nil {
			t.Fatal("what was stored is not there", err)
		}
		c := p.compare(evictions(t, s, []string{"all"}), evictions(t, few, []string{"all"}))
		if found, err := s.Lookup(t.Context(), "0", strconv.Itoa(n-1)); err != nil || found[0].Record != nil || found[1].Record != nil {
			t.Fatal("what was evicted is there", err)
		}
		_ = s.Close()
		out.row(count(n), ns(c.each), times(c.ratio))
		p.flat(t, fmt.Sprintf("an eviction of %d records", n), c.ratio)
		b.figures["evict"] = c.each
	}
}

func evictByTags(t *testing.T, p plan, b *book) {
	t.Helper()
	names := func(n int) [][]string {
		all := make([][]string, n)
		for i := range all {
			all[i] = []string{fmt.Sprint("product:", i)}
		}
		return all
	}
	out := b.open("evict-known", "tags evicted before", "an eviction of one of them", "×")
	few := memory(t, 1)
	defer few.Close()
	reference := evictions(t, few, names(p.known[0])...)
	for _, n := range p.known {
		s := memory(t, 1)
		all := evictions(t, s, names(n)...)
		all(n)
		c := p.compare(all, reference)
		if found, err := s.Lookup(t.Context(), "0"); err != nil || found[0].Record == nil {
			t.Fatal("what carries no such tag is gone", err)
		}
		_ = s.Close()
		out.row(count(n), ns(c.each), times(c.ratio))
	}

	out = b.open("evict-tags", "tags in one eviction", "the eviction", "each tag")
	for _, n := range []int{1, 4, 16, 64} {
		tags := make([]string, n)
		for i := range tags {
			tags[i] = fmt.Sprint("tag:", i)
		}
		c := p.compare(evictions(t, few, tags), reference)
		out.row(count(n), ns(c.each), ns(c.each/float64(n)))
	}
}
