package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Adaptive TTL: the load decides.
func TestTheLoadDecides(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		loads := 0
		decide := func(f func(e *store.Entry)) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				loads++
				f(store.Current(ctx))
				return loads, nil
			}
		}
		for i, row := range []struct {
			decide func(e *store.Entry)
			lives  time.Duration
		}{
			{func(*store.Entry) {}, time.Minute},
			{func(e *store.Entry) { e.TTL(time.Hour) }, time.Hour},
			{func(e *store.Entry) { e.TTL(time.Second) }, time.Second},
			{func(e *store.Entry) { e.TTL(0) }, 0},
			{func(e *store.Entry) { e.NoStore() }, 0},
			{func(e *store.Entry) { e.Until(time.Now().Add(time.Second)) }, time.Second},
			{func(e *store.Entry) { e.Until(time.Now()) }, 0},
			{func(e *store.Entry) { e.Of(store.Key("k", 7)).TTL(time.Second) }, time.Second},
			{func(e *store.Entry) { e.Of("another").TTL(time.Second) }, time.Minute},
			{func(e *store.Entry) { e.Tag("bad\x00tag") }, 0},
			{func(e *store.Entry) { e.Tag(make([]string, 65)...) }, 0},
		} {
			key, o := store.Key("k", i), store.For(time.Minute)
			before := loads
			get := func(loaded bool) {
				t.Helper()
				want := before + 1
				if loaded {
					want++
				}
				got, err := store.GetOrSet(t.Context(), s, key, o, decide(row.decide))
				if err != nil || got != want || loads != want {
					t.Errorf("%d: %d, %v after %d loads, want %d", i, got, err, loads, want)
				}
			}
			get(false)
			if row.lives > 0 {
				time.Sleep(row.lives - 1)
				get(false)
				time.Sleep(time.Nanosecond)
			}
			get(true)
		}
	})
}

// Tags that the load names evict, also if they were evicted while it ran.
func TestTheLoadsTags(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		loads := 0
		load := func(ctx context.Context) (int, error) { //nolint:unparam // a load
			loads++
			if loads == 3 {
				if err := s.Evict(t.Context(), "brand:b"); err != nil {
					t.Error(err)
				}
			}
			e := store.Current(ctx)
			e.Tag("brand:a")
			e.Tag("brand:b")
			return loads, nil
		}
		get := func(want int) {
			t.Helper()
			if got, err := store.GetOrSet(t.Context(), s, "k", store.For(time.Minute, "product:7"), load); got != want || err != nil {
				t.Errorf("%d, %v, want %d", got, err, want)
			}
		}
		get(1)
		get(1)
		for i, tag := range []string{"brand:a", "brand:b"} {
			if err := s.Evict(t.Context(), tag); err != nil {
				t.Error(err)
			}
			get(2 + i)
		}
		get(4) // the third was evicted as it was loaded
		get(4)
		store.Current(t.Context()).Tag("no load") // does nothing
	})
}

// Conditional refresh: the source says that what is there is still right.
func TestConditionalRefresh(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		o := store.Options{TTL: time.Minute, StaleIfError: time.Hour, Tags: []string{"tag"}}
		modified := time.Unix(1000, 0)
		full, unchanged := 0, 0
		version := `"v1"`
		load := func(ctx context.Context) (row, error) {
			e := store.Current(ctx)
			if etag, since := e.Validators(); etag == version && since.Equal(modified) {
				unchanged++
				return row{}, e.NotModified()
			}
			full++
			e.SetValidators(version, modified)
			e.Tag("from the load")
			return row{ID: full}, nil
		}
		get := func(id, fulls, unchangeds int) {
			t.Helper()
			r, err := store.GetOrSet(t.Context(), s, "k", o, load)
			if err != nil || r.ID != id || full != fulls || unchanged != unchangeds {
				t.Errorf("%d, %v after %d loads and %d confirmations", r.ID, err, full, unchanged)
			}
		}
		get(1, 1, 0)
		time.Sleep(time.Minute)
		get(1, 1, 1)
		time.Sleep(time.Minute - 1) // kept for a whole TTL again
		get(1, 1, 1)
		time.Sleep(time.Nanosecond)
		get(1, 1, 2) // with its validators, too
		version = `"v2"`
		time.Sleep(time.Minute)
		get(2, 2, 2)
		time.Sleep(time.Minute)
		get(2, 2, 3)
		// It has kept the tags that the load gave it.
		if err := s.Evict(t.Context(), "from the load"); err != nil {
			t.Error(err)
		}
		get(3, 3, 3)
	})
}

// keeping remembers what it is given to keep.
type keeping struct {
	store.Backend

	kept []store.Record
}

func (b *keeping) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	b.kept = append(b.kept, r)
	return b.Backend.Store(ctx, key, r)
}

// The tags of a record that a backend hands out may be parts of all its bytes. A value that is confirmed is kept with tags of
// its own, or it would hold the bytes of the record before it, and that of the one before.
func TestI8_AConfirmedValueLetsTheOldRecordGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &keeping{Backend: memstore.New(memstore.Config{})}
		s := open(t, b, store.Config{})
		for range 2 {
			_, err := store.GetOrSet(t.Context(), s, "k", store.Options{TTL: time.Minute, StaleIfError: time.Hour},
				func(ctx context.Context) (int, error) {
					e := store.Current(ctx)
					if etag, _ := e.Validators(); etag != "" {
						return 0, e.NotModified()
					}
					e.SetValidators(`"v"`, time.Time{})
					e.Tag("a tag")
					return 1, nil
				})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if len(b.kept) != 2 || len(b.kept[1].Tags) != 1 || b.kept[1].Tags[0] != "a tag" {
			t.Fatalf("%+v", b.kept)
		}
		if unsafe.StringData(b.kept[0].Tags[0]) == unsafe.StringData(b.kept[1].Tags[0]) {
			t.Error("the tag of the new record is a part of the old one")
		}
	})
}

// Without anything to be about, NotModified is an error like another.
func TestNotModifiedOfNothing(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		_, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, func(ctx context.Context) (int, error) {
			if etag, modified := store.Current(ctx).Validators(); etag != "" || !modified.IsZero() {
				t.Errorf("validators %q and %v of nothing", etag, modified)
			}
			return 0, store.Current(ctx).NotModified()
		})
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}
