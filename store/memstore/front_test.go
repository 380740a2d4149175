package memstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/echocache/echocache/store/memstore"
)

func value(s *memstore.Store, k string) string {
	held, _, ok := s.Peek([]byte(k))
	if !ok {
		return ""
	}
	return string(held.Record().Value)
}

func TestTheFrontServesWhatIsInUse(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	put(t, s, "k", []byte("v"), "a")
	if n := memstore.Fronted(s); n != 0 {
		t.Errorf("%d in the front before anybody asked", n)
	}
	for range 2 {
		if got := value(s, "k"); got != "v" {
			t.Errorf("found %q", got)
		}
		if n := memstore.Fronted(s); n != 1 {
			t.Errorf("%d in the front, want 1", n)
		}
	}
	audit(t, s)
}

// TestKeysThatShareASlotAreToldApart has many more keys than slots.
func TestKeysThatShareASlotAreToldApart(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 64 << 10})
	for i := range 100 {
		put(t, s, fmt.Sprint(i), []byte(fmt.Sprint("v", i)), "a")
	}
	found := 0
	for range 100 {
		for i := range 100 {
			got := value(s, fmt.Sprint(i))
			if got != "" && got != fmt.Sprint("v", i) {
				t.Fatalf("under %d is %q", i, got)
			}
			if got != "" {
				found++
			}
		}
	}
	if found < 9000 {
		t.Errorf("%d of 10,000 found: not what was to be tested", found)
	}
	audit(t, s)
}

// TestWhatIsPopularGetsIntoItsSlot has two keys for one slot: the one that is asked for does not stay outside.
func TestWhatIsPopularGetsIntoItsSlot(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 64 << 10})
	first, second := "first", "0"
	for i := 0; memstore.Slot(s, first) != memstore.Slot(s, second); i++ {
		second = fmt.Sprint(i)
	}
	put(t, s, first, []byte("v"), "a")
	put(t, s, second, []byte("w"), "a")
	has(s, first)
	for range 1000 {
		has(s, second)
	}
	if got := memstore.InSlot(s, second); got != second {
		t.Errorf("after a thousand look-ups of %q the slot holds %q", second, got)
	}
}

// TestTheFrontDoesNotServeWhatIsGone interrupts a look-up, in the two places where it matters, by a writer.
func TestTheFrontDoesNotServeWhatIsGone(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	put(t, s, "k", []byte("one"), "a")
	held, _, _ := s.Peek([]byte("k"))
	put(t, s, "k", []byte("two"), "a")

	// A look-up that found "one" has put it into its slot, and has not yet looked whether it is gone.
	memstore.Plant(s, held)
	if got := value(s, "k"); got != "two" {
		t.Errorf("found %q after \"two\" was stored", got)
	}
	// And now it has.
	memstore.Offer(s, held)
	audit(t, s)
	if got := value(s, "k"); got != "two" {
		t.Errorf("found %q after \"two\" was stored", got)
	}
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	memstore.Offer(s, held)
	if n := memstore.Fronted(s); n != 0 {
		t.Error("the front keeps what is gone")
	}
}

// TestI8_TheFrontKeepsNothingAlive: what leaves its shard leaves its slot, however it goes.
func TestI8_TheFrontKeepsNothingAlive(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{MaxBytes: 1 << 20, SweepEvery: 24 * time.Hour})
	look := func() {
		for i := range 200 {
			put(t, s, fmt.Sprint(i), make([]byte, 10), "a")
			has(s, fmt.Sprint(i))
		}
		if memstore.Fronted(s) < 100 {
			t.Fatal("not what was to be tested")
		}
	}
	look()
	evict(t, s, "a")
	memstore.Sweep(s)
	if n := memstore.Fronted(s); n != 0 {
		t.Errorf("evicted and swept: %d are left", n)
	}
	look()
	for i := range 200 {
		_ = s.Delete(t.Context(), fmt.Sprint(i))
	}
	if n := memstore.Fronted(s); n != 0 {
		t.Errorf("deleted: %d are left", n)
	}
	look()
	for i := range 10_000 {
		put(t, s, fmt.Sprint("more", i), make([]byte, 100), "a")
	}
	audit(t, s)
	look()
	_ = s.Close()
	if n := memstore.Fronted(s); n != 0 {
		t.Errorf("closed: %d are left", n)
	}
}

// TestOverwritesAreSeenAtOnce lets one writer count a key up, and readers see that it never goes back.
func TestOverwritesAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.Config{})
	put(t, s, "k", []byte{0, 0}, "a")
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			last := 0
			for {
				held, _, ok := s.Peek([]byte("k"))
				if !ok {
					t.Error("a miss")
					return
				}
				v := held.Record().Value
				n := int(v[0])<<8 | int(v[1])
				if n < last {
					t.Errorf("%d after %d", n, last)
					return
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := 1; n < 5000; n++ {
		put(t, s, "k", []byte{byte(n >> 8), byte(n)}, "a")
	}
	close(done)
	wg.Wait()
	audit(t, s)
}
