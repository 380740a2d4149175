package flight_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/flight"
)

const patience = 30 * time.Second

func TestOneLeadsAndTheOthersFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		f, _, role := g.Join("a", g.Now(), patience)
		if role != flight.Lead {
			t.Fatalf("role %d", role)
		}
		if _, _, role := g.Join("b", g.Now(), patience); role != flight.Lead {
			t.Errorf("another key: role %d", role)
		}
		var all sync.WaitGroup
		for range 10 {
			_, w, role := g.Join("a", g.Now(), patience)
			if role != flight.Follow || !w.Early() {
				t.Errorf("role %d, early %v", role, w.Early())
			}
			all.Go(func() {
				if v, err := w.Wait(t.Context()); v != "value" || err != nil {
					t.Errorf("%q, %v", v, err)
				}
			})
		}
		if f.Waiters() != 10 || g.Len() != 2 {
			t.Errorf("%d waiters, %d flights", f.Waiters(), g.Len())
		}
		if !f.Finish("value") || f.Finish("another") {
			t.Error("a flight ends once")
		}
		f.Abandon()
		all.Wait()
		if g.Len() != 1 {
			t.Errorf("%d flights", g.Len())
		}
	})
}

// Who joins after the seal is told so: the value may be older than what happened in between.
func TestSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		f, _, _ := g.Join("a", g.Now(), patience)
		_, early, _ := g.Join("a", g.Now(), patience)
		f.Seal()
		_, late, role := g.Join("a", g.Now(), patience)
		if !early.Early() || late.Early() || role != flight.Follow {
			t.Errorf("early %v, late %v, role %d", early.Early(), late.Early(), role)
		}
		f.Finish("value")
		for _, w := range []flight.Waiter[string]{early, late} {
			if v, err := w.Wait(t.Context()); v != "value" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		}
	})
}

// A waiter leaves on its own context, and nobody else does.
func TestAWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		f, _, _ := g.Join("a", g.Now(), patience)
		_, leaves, _ := g.Join("a", g.Now(), patience)
		_, stays, _ := g.Join("a", g.Now(), patience)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := leaves.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.AfterFunc(time.Second, func() { f.Finish("value") })
		if v, err := stays.Wait(t.Context()); v != "value" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

// A flight that takes too long is abandoned, its key is free at once, and what it says later is said to nobody.
func TestAbandonedAfterPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		slow, _, _ := g.Join("a", g.Now(), patience)
		_, w, _ := g.Join("a", g.Now(), patience)
		began := time.Now()
		if _, err := w.Wait(t.Context()); !errors.Is(err, flight.ErrAbandoned) || time.Since(began) != patience {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		next, _, role := g.Join("a", g.Now(), patience)
		if role != flight.Lead {
			t.Errorf("role %d", role)
		}
		if slow.Finish("late") {
			t.Error("an abandoned flight finished")
		}
		_, w, role = g.Join("a", g.Now(), patience)
		if role != flight.Follow {
			t.Error("the old flight took the new one with it")
		}
		next.Finish("value")
		if v, err := w.Wait(t.Context()); v != "value" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

// Who looked elsewhere before a flight ended, and joins after it, is told to look again.
func TestLeadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		f, _, _ := g.Join("a", g.Now(), patience)
		before := g.Now()
		f.Finish("value")
		f, _, role := g.Join("a", before, patience)
		if role != flight.LeadAgain {
			t.Errorf("role %d", role)
		}
		f.Abandon()
		f, _, role = g.Join("a", g.Now(), patience)
		if role != flight.Lead {
			t.Errorf("role %d", role)
		}
		f.Abandon()
	})
}

// Moments order arrivals and beginnings.
func TestStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		before := g.Now()
		f, _, _ := g.Join("a", before, patience)
		after := g.Now()
		_, w, _ := g.Join("a", after, patience)
		if w.Started() <= before || w.Started() >= after {
			t.Errorf("it began at %d, between %d and %d", w.Started(), before, after)
		}
		f.Abandon()
	})
}

// However many come at once, one leads at a time, and everybody gets a value.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	g := flight.NewGroup[int]()
	var all sync.WaitGroup
	var leading sync.Mutex
	for range 8 {
		all.Go(func() {
			for range 500 {
				f, w, role := g.Join("a", g.Now(), time.Hour)
				if role == flight.Follow {
					if v, err := w.Wait(t.Context()); v != 7 || err != nil {
						t.Errorf("%d, %v", v, err)
					}
					continue
				}
				if !leading.TryLock() {
					t.Error("two lead at once")
				}
				f.Seal()
				leading.Unlock()
				f.Finish(7)
			}
		})
	}
	all.Wait()
	if g.Len() != 0 {
		t.Errorf("%d flights are left", g.Len())
	}
}

// When the last waiter of a watched flight leaves, nobody joins it any more and its leader is told, once.
func TestDeserted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		told := 0
		f, _, _ := g.Join("a", g.Now(), patience)
		own := f.Watch(func() { told++ })
		_, other, _ := g.Join("a", g.Now(), patience)
		own.Leave()
		if told != 0 {
			t.Fatal("told while somebody waits")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := other.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if told != 1 || f.Seal() || f.Finish("value") {
			t.Errorf("told %d times; the flight goes on", told)
		}
		next, _, role := g.Join("a", g.Now(), patience)
		if role == flight.Follow {
			t.Fatal("the next caller joins a deserted flight")
		}
		w := next.Watch(func() { told++ })
		if !next.Seal() || !next.Finish("value") {
			t.Error("a flight that somebody waits for is over")
		}
		if v, err := w.Result(); v != "value" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		w.Leave()
		if told != 1 {
			t.Error("told after the end")
		}
	})
}

// Without Watch the leader computes itself, and it does not matter who waits.
func TestNobodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		f, _, _ := g.Join("a", g.Now(), patience)
		_, w, _ := g.Join("a", g.Now(), patience)
		w.Leave()
		if !f.Seal() || !f.Finish("value") {
			t.Error("a leader that computes itself was deserted")
		}
	})
}

// Lead gives a flight only to who would be alone with it.
func TestLeadOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.NewGroup[string]()
		before := g.Now()
		f := g.Lead("a", before, patience)
		if f == nil || g.Lead("a", g.Now(), patience) != nil {
			t.Fatal("not one flight for two")
		}
		f.Finish("value")
		if g.Lead("a", before, patience) != nil {
			t.Error("a flight ended since")
		}
		if f = g.Lead("a", g.Now(), patience); f == nil {
			t.Error("no flight for one who looked after the last")
		}
		f.Abandon()
	})
}
