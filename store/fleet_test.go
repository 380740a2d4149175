package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/internal/fleet"
	"github.com/echocache/echocache/store"
)

// ask has n processes over b ask for one value at once, callers times each.
func ask(t *testing.T, b store.Backend, src *source, o store.Options, n, callers int) (all []*store.Store) {
	t.Helper()
	var group sync.WaitGroup
	for range n {
		s := open(t, b, store.Config{})
		all = append(all, s)
		for range callers {
			group.Go(func() {
				if got, err := store.GetOrSet(t.Context(), s, "k", o, src.load); err != nil || got != 1 {
					t.Errorf("%d, %v", got, err)
				}
			})
		}
	}
	group.Wait()
	return all
}

func TestFleetLoads(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		takes, crash time.Duration
		err          error
		loads        int64
		most         time.Duration
	}{
		"once":                          {takes: 50 * time.Millisecond, loads: 1, most: 100 * time.Millisecond},
		"once after a crash":            {50 * time.Millisecond, fleet.Lease, nil, 1, fleet.Patience},
		"everywhere if it takes long":   {10 * time.Second, 0, nil, 4, 10*time.Second + fleet.Patience},
		"everywhere if there is no way": {50 * time.Millisecond, 0, errors.New("down"), 4, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := fakes.NewFleet()
				b.CrashedUntil, b.Err = time.Now().Add(row.crash), row.err
				src := &source{value: 1, takes: row.takes}
				began := time.Now()
				all := ask(t, b, src, store.Options{CollapseFleet: true}, 4, 50)
				if n := src.loads.Load(); n != row.loads {
					t.Errorf("%d loads, want %d", n, row.loads)
				}
				if took := time.Since(began); took > row.most {
					t.Errorf("it took %s, want at most %s", took, row.most)
				}
				var misses, collapsed, hits uint64
				for _, s := range all {
					v := s.Stats()
					misses, collapsed, hits = misses+v.Misses, collapsed+v.Collapsed, hits+v.Hits
				}
				if misses != uint64(row.loads) || misses+collapsed+hits != 200 {
					t.Errorf("%d misses, %d collapsed, %d hits", misses, collapsed, hits)
				}
			})
		})
	}
}

// What is remembered not to exist is found like any other value.
func TestFleetSharesAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		src := &source{err: store.ErrNotFound, takes: 50 * time.Millisecond}
		o := store.Options{CollapseFleet: true, Negative: time.Minute}
		var group sync.WaitGroup
		for range 2 {
			s := open(t, b, store.Config{})
			group.Go(func() {
				if _, err := store.GetOrSet(t.Context(), s, "k", o, src.load); !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := src.loads.Load(); n != 1 {
			t.Errorf("%d loads", n)
		}
	})
}

// Timeout bounds what a caller waits, for whomever.
func TestFleetHeedsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		b.CrashedUntil = time.Now().Add(fleet.Lease)
		s, src := open(t, b, store.Config{}), &source{value: 1}
		began := time.Now()
		o := store.Options{CollapseFleet: true, Timeout: 100 * time.Millisecond}
		_, err := store.GetOrSet(t.Context(), s, "k", o, src.load)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != o.Timeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.Sleep(fleet.Patience)
		if src.loads.Load() != 1 {
			t.Error("the load did not go on")
		}
	})
}

// When all who wait have left, or the store is closed, nothing is loaded any more.
func TestFleetLoadsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		b.CrashedUntil = time.Now().Add(time.Hour)
		s, src := open(t, b, store.Config{}), &source{value: 1}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := store.GetOrSet(ctx, s, "k", store.Options{CollapseFleet: true}, src.load); err == nil {
			t.Error("no error")
		}
		go func() {
			_, _ = store.GetOrSet(t.Context(), s, "l", store.Options{CollapseFleet: true}, src.load)
		}()
		synctest.Wait()
		began := time.Now()
		if err := s.Close(); err != nil || time.Since(began) > 0 {
			t.Errorf("Close: %v after %s", err, time.Since(began))
		}
		synctest.Wait()
		if n := src.loads.Load(); n != 0 {
			t.Errorf("%d loads", n)
		}
	})
}

// A refresh is left to the process that is about it; loads of several keys do without claims.
func TestFleetRefreshesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		src := &source{value: 1, takes: 50 * time.Millisecond}
		o := store.Options{CollapseFleet: true, TTL: time.Minute, EagerRefresh: 0.5}
		all := ask(t, b, src, o, 4, 1)
		time.Sleep(40 * time.Second)
		for _, s := range all {
			src.wantOne(t, s, o)
		}
		time.Sleep(time.Second)
		if n := src.loads.Load(); n != 2 {
			t.Errorf("%d loads, want the first and one refresh", n)
		}
		synctest.Wait()
		claims := b.Claims()
		_, err := store.GetOrSetMany(t.Context(), all[0], []int{1, 2}, func(n int) string { return store.Key("n", n) }, o,
			func(context.Context, []int) (map[int]int, error) { return nil, nil })
		if err != nil || b.Claims() != claims {
			t.Errorf("%v after %d more claims", err, b.Claims()-claims)
		}
	})
}

// One who waits finds the value, it is evicted, and somebody joins the one who has found it: before it looks for the last
// time, or after.
func TestI1_FleetDoesNotHandOutWhatItsWaitersSawEvicted(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"fleet", "fleet found"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { evictedAt(t, moment) })
		})
	}
}

func evictedAt(t *testing.T, moment string) {
	t.Helper()
	b := fakes.NewFleet()
	b.CrashedUntil = time.Now().Add(time.Hour)
	s, other := open(t, b, store.Config{}), open(t, b, store.Config{})
	src := &source{value: 1}
	o := store.Options{CollapseFleet: true}
	late := make(chan int, 1)
	s.SetYield(func(point string) {
		if point != moment {
			return
		}
		s.SetYield(nil)
		src.set(2, nil)
		if err := other.Delete(context.Background(), "k"); err != nil {
			t.Error(err)
		}
		go func() {
			v, _ := store.GetOrSet(context.Background(), s, "k", o, src.load)
			late <- v
		}()
		synctest.Wait()
	})
	go func() { _, _ = store.GetOrSet(context.Background(), s, "k", o, src.load) }()
	time.Sleep(100 * time.Millisecond)
	if _, err := store.GetOrSet(t.Context(), other, "k", store.Options{}, src.load); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-late:
		if got != 2 {
			t.Errorf("%d was given after the eviction", got)
		}
	case <-time.After(time.Minute):
		t.Error("the one who waited has not found the value")
	}
}
