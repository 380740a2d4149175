package memstore_test

import (
	"fmt"
	"testing"

	"github.com/echocache/echocache/store/memstore"
)

func TestI8_ViewsCount(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 1 << 20})
	for i := range 500 {
		put(t, s, fmt.Sprint(i), make([]byte, 256))
	}
	before := s.Stats()
	held, _, ok := s.Peek([]byte("7"))
	if !ok {
		t.Fatal("not found")
	}
	held.SetView("small", 1000)
	if grown := s.Stats().Bytes - before.Bytes; grown < 1000 || grown > 1100 {
		t.Errorf("a view of 1000 bytes counts for %d", grown)
	}
	held.SetView("smaller", 10)
	if grown := s.Stats().Bytes - before.Bytes; grown < 10 || grown > 100 {
		t.Errorf("a view of 10 bytes in its place counts for %d", grown)
	}
	held.SetView("negative", -1000)
	if grown := s.Stats().Bytes - before.Bytes; grown < 0 {
		t.Errorf("a view of less than nothing counts for %d", grown)
	}
	audit(t, s)

	held.SetView("large", 900<<10)
	after := s.Stats()
	if after.Entries >= before.Entries || after.Drops["space"] == 0 {
		t.Errorf("%d records before, %d after a view of nearly all the budget", before.Entries, after.Entries)
	}
	if again, _, ok := s.Peek([]byte("7")); !ok || again.View() != "large" {
		t.Error("the record for whose view others were dropped is gone")
	}
	audit(t, s)
}

func TestAViewOverTheBudgetIsNotKept(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 1 << 20})
	put(t, s, "k", []byte("v"))
	put(t, s, "l", []byte("w"))
	held, _, _ := s.Peek([]byte("k"))
	held.SetView("too large", 2<<20)
	if held.View() != nil {
		t.Errorf("View = %v, want nil", held.View())
	}
	if !has(s, "k") || !has(s, "l") {
		t.Error("a record is gone for a view that was not kept")
	}
	audit(t, s)
}

// TestAViewOfWhatIsGoneDoesNotCount keeps the item beyond its record's life, as a slow reader does.
func TestAViewOfWhatIsGoneDoesNotCount(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	put(t, s, "k", []byte("v"), "a")
	held, _, _ := s.Peek([]byte("k"))
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	held.SetView("late", 1000)
	if held.View() != "late" {
		t.Error("the reader that still has it does not find its view")
	}
	put(t, s, "k", []byte("w"), "a")
	held.SetView("later", 1000)
	if again, _, _ := s.Peek([]byte("k")); again.View() != nil {
		t.Errorf("the new record has the view %v of the old one", again.View())
	}
	_ = s.Close()
	held.SetView("too late", 1000)
	audit(t, s)
}

func TestPeekAllocatesNothing(t *testing.T) {
	s := open(t, memstore.Config{})
	put(t, s, "GET /products/7", make([]byte, 1024), "product:7", "catalog", "brand:1")
	k := []byte("GET /products/7")
	miss := []byte("GET /products/8")
	for _, test := range []struct {
		name string
		run  func()
	}{
		{"hit", func() { s.Peek(k) }},
		{"miss", func() { s.Peek(miss) }},
		{"hit after another eviction", func() { _ = s.Evict(t.Context(), "other"); s.Peek(k) }},
	} {
		if n := testing.AllocsPerRun(1000, test.run); n != 0 {
			t.Errorf("%s: %v allocations, want none", test.name, n)
		}
	}
}
