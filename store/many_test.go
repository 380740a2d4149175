package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// table is a source of several rows, which writes down what it was asked for.
type table struct {
	mu    sync.Mutex
	rows  map[int]row
	err   error
	takes time.Duration
	asked [][]int
}

func newTable(n int) *table {
	t := &table{rows: map[int]row{}}
	for i := range n {
		t.rows[i] = row{i, []string{fmt.Sprint("row ", i)}}
	}
	return t
}

func (t *table) load(ctx context.Context, ids []int) (map[int]row, error) {
	t.mu.Lock()
	t.asked = append(t.asked, ids)
	found := map[int]row{}
	for _, id := range ids {
		if r, ok := t.rows[id]; ok {
			found[id] = r
			store.Current(ctx).Of(rowKey(id)).Tag(fmt.Sprint("row:", id))
		}
	}
	takes, err := t.takes, t.err
	t.mu.Unlock()
	select {
	case <-fakes.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return found, err
}

func rowKey(id int) string { return store.Key("row", id) }

func (t *table) set(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// get asks for ids and insists on the rows that come, and on what was asked of the table in all.
func (t *table) get(tb testing.TB, s *store.Store, o store.Options, ids, want []int, asked ...[]int) {
	tb.Helper()
	found, err := store.GetOrSetMany(tb.Context(), s, ids, rowKey, o, t.load)
	if got := slices.Sorted(maps.Keys(found)); err != nil || !slices.Equal(got, want) {
		tb.Errorf("%v, %v; want %v", got, err, want)
	}
	for id, r := range found {
		if r.ID != id || !slices.Equal(r.Tags, []string{fmt.Sprint("row ", id)}) {
			tb.Errorf("under %d is %v", id, r)
		} else {
			r.Tags[0] = "changed" // a copy of the caller's own
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.EqualFunc(t.asked, asked, slices.Equal) {
		tb.Errorf("asked for %v, want %v", t.asked, asked)
	}
}

func TestManyLoadsWhatMisses(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src, o := newTable(5), store.For(time.Minute)
		src.get(t, s, o, nil, []int{})
		src.get(t, s, o, []int{1, 3, 1, 1}, []int{1, 3}, []int{1, 3})
		src.get(t, s, o, []int{0, 1, 2, 3}, []int{0, 1, 2, 3}, []int{1, 3}, []int{0, 2})
		src.get(t, s, o, []int{3, 2, 1, 0, 0}, []int{0, 1, 2, 3}, []int{1, 3}, []int{0, 2})
		// The same keys, the same values.
		r, err := store.GetOrSet(t.Context(), s, rowKey(2), o, func(context.Context) (row, error) { return row{}, errSource })
		if r.ID != 2 || err != nil {
			t.Errorf("%v, %v", r, err)
		}
		// Each has the tag that its own load gave it.
		if err := s.Evict(t.Context(), "row:2"); err != nil {
			t.Error(err)
		}
		src.get(t, s, o, []int{1, 2, 3}, []int{1, 2, 3}, []int{1, 3}, []int{0, 2}, []int{2})
	})
}

func TestManyLeavesOutWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src, o := newTable(3), store.Options{TTL: time.Minute, Negative: time.Second}
		src.get(t, s, o, []int{2, 9}, []int{2}, []int{2, 9})
		src.get(t, s, o, []int{2, 9}, []int{2}, []int{2, 9}) // remembered
		_, err := store.GetOrSet(t.Context(), s, rowKey(9), o, func(context.Context) (row, error) { return row{}, nil })
		if !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		time.Sleep(time.Second)
		src.set(func() { src.rows[9] = row{9, []string{"row 9"}} })
		src.get(t, s, o, []int{2, 9}, []int{2, 9}, []int{2, 9}, []int{9})
	})
}

// One trip for all keys, not one for each.
func TestManyIsOneTrip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		trips := &counting{Backend: memstore.New(memstore.Config{})}
		s := open(t, trips, store.Config{})
		ids := make([]int, 100)
		for i := range ids {
			ids[i] = i
		}
		src := newTable(100)
		src.get(t, s, store.For(time.Minute), ids, ids, ids)
		if trips.lookups != 1 {
			t.Errorf("%d look-ups for a miss", trips.lookups)
		}
		src.get(t, s, store.For(time.Minute), ids, ids, ids)
		if trips.lookups != 2 {
			t.Errorf("%d look-ups for a hit", trips.lookups-1)
		}
	})
}

// counting counts look-ups. It has no other abilities than a Backend.
type counting struct {
	store.Backend

	lookups int
}

func (c *counting) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	c.lookups++
	return c.Backend.Lookup(ctx, keys...)
}

// Two calls whose keys overlap, in whatever order, load each key once, and neither waits for the other for ever.
func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := newTable(100)
		src.takes = time.Second
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				var ids []int
				for j := range 50 {
					ids = append(ids, (i*7+j*j)%100)
				}
				found, err := store.GetOrSetMany(t.Context(), s, ids, rowKey, store.For(time.Minute), src.load)
				for _, id := range ids {
					if found[id].ID != id {
						t.Errorf("%d: %v, %v", id, found[id], err)
					}
				}
			})
		}
		all.Go(func() {
			r, err := store.GetOrSet(t.Context(), s, rowKey(1), store.For(time.Minute), func(ctx context.Context) (row, error) {
				found, err := src.load(ctx, []int{1})
				return found[1], err
			})
			if r.ID != 1 || err != nil {
				t.Errorf("%v, %v", r, err)
			}
		})
		all.Wait()
		loaded := map[int]int{}
		for _, ids := range src.asked {
			for _, id := range ids {
				if loaded[id]++; loaded[id] > 1 {
					t.Errorf("%d was loaded %d times", id, loaded[id])
				}
			}
		}
	})
}

// The load of several keys goes on as long as somebody waits for one of them.
func TestManyLeave(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := newTable(3)
		src.takes = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			found, err := store.GetOrSetMany(ctx, s, []int{0, 1, 2}, rowKey, store.For(time.Minute), src.load)
			if found != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("%v, %v", found, err)
			}
		})
		synctest.Wait()
		all.Go(func() { src.get(t, s, store.For(time.Minute), []int{2}, []int{2}, []int{0, 1, 2}) })
		synctest.Wait()
		cancel()
		all.Wait()
		// With the last one it ends.
		src.set(func() { src.takes = time.Hour })
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := store.GetOrSetMany(ctx, s, []int{0, 1}, rowKey, store.For(time.Minute), src.load)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if n := s.Stats().Loading; n != 0 {
			t.Errorf("%d loads are left", n)
		}
	})
}

func TestManyFails(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		src := newTable(3)
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour}
		src.get(t, s, o, []int{0, 1}, []int{0, 1}, []int{0, 1})
		src.set(func() { src.err = errSource })
		time.Sleep(time.Minute)
		// What is still there takes the place of the error; for a key without it there is only that.
		src.get(t, s, o, []int{0, 1}, []int{0, 1}, []int{0, 1}, []int{0, 1})
		if found, err := store.GetOrSetMany(t.Context(), s, []int{1, 2}, rowKey, o, src.load); found != nil || !errors.Is(err, errSource) {
			t.Errorf("%v, %v", found, err)
		}
		_, err := store.GetOrSetMany(t.Context(), s, []int{2}, rowKey, o, func(context.Context, []int) (map[int]row, error) {
			panic("boom")
		})
		if _, ok := errors.AsType[*store.PanicError](err); !ok {
			t.Error(err)
		}
	})
}

// What the load decides about all, and about one.
func TestManyDecides(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		var asked [][]int
		load := func(ctx context.Context, ids []int) (map[int]int, error) {
			asked = append(asked, ids)
			found := map[int]int{}
			e := store.Current(ctx)
			e.TTL(time.Minute)
			e.Tag("all")
			for _, id := range ids {
				found[id] = id
			}
			e.Of(rowKey(1)).TTL(time.Second)
			e.Of(rowKey(2)).NoStore()
			e.Of(rowKey(99)).NoStore()
			return found, nil
		}
		for i, row := range []struct {
			after time.Duration
			evict bool
			asked []int
		}{
			{0, false, []int{0, 1, 2}},
			{0, false, []int{2}},
			{time.Second, false, []int{1, 2}},
			{0, true, []int{0, 1, 2}},
			{time.Minute, false, []int{0, 1, 2}},
		} {
			time.Sleep(row.after)
			if row.evict {
				if err := s.Evict(t.Context(), "all"); err != nil {
					t.Error(err)
				}
			}
			found, err := store.GetOrSetMany(t.Context(), s, []int{0, 1, 2}, rowKey, store.For(time.Hour), load)
			if len(found) != 3 || err != nil || !slices.Equal(asked[len(asked)-1], row.asked) {
				t.Errorf("%d: %v, %v; asked for %v", i, found, err, asked)
			}
		}
	})
}

// A late hit of some refreshes these, in one load.
func TestManyRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &counting{Backend: memstore.New(memstore.Config{})}, store.Config{})
		src := newTable(4)
		o := store.Options{TTL: time.Minute, EagerRefresh: 0.5}
		src.get(t, s, o, []int{0, 1, 2}, []int{0, 1, 2}, []int{0, 1, 2})
		time.Sleep(30 * time.Second)
		found, err := store.GetOrSetMany(t.Context(), s, []int{0, 2, 3}, rowKey, o, src.load)
		if len(found) != 3 || err != nil {
			t.Errorf("%v, %v", found, err)
		}
		synctest.Wait()
		time.Sleep(30 * time.Second)
		asked := src.asked[1:]
		slices.SortFunc(asked, slices.Compare)
		if !slices.EqualFunc(asked, [][]int{{0, 2}, {3}}, slices.Equal) {
			t.Errorf("asked for %v", asked)
		}
		src.asked = nil
		src.get(t, s, store.For(time.Minute), []int{0, 1, 2, 3}, []int{0, 1, 2, 3}, []int{1})
	})
}

// Two ids with one key are one value.
func TestManyIdsWithOneKey(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		loads := 0
		found, err := store.GetOrSetMany(t.Context(), s, []int{1, 11, 2}, func(id int) string { return rowKey(id % 10) },
			store.For(time.Minute), func(_ context.Context, ids []int) (map[int]int, error) {
				loads++
				all := map[int]int{}
				for _, id := range ids {
					all[id] = id % 10
				}
				return all, nil
			})
		if err != nil || loads != 1 || !maps.Equal(found, map[int]int{1: 1, 11: 1, 2: 2}) {
			t.Errorf("%v, %v after %d loads", found, err, loads)
		}
	})
}
