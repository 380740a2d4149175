package breaker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// plain is a backend without abilities.
type plain struct{ store.Backend }

type peeks struct {
	plain
	store.Local
}

type replaces struct {
	plain
	store.Replacer
}

// wraps is a backend whose abilities are beneath it.
type wraps struct{ plain }

func (w wraps) Unwrap() store.Backend { return w.Backend }

func TestItHasTheAbilitiesOfItsBackend(t *testing.T) {
	t.Parallel()
	for what, row := range map[string]struct {
		of             func(m *memstore.Store) store.Backend
		local, replace bool
	}{
		"none":          {func(m *memstore.Store) store.Backend { return plain{m} }, false, false},
		"Local":         {func(m *memstore.Store) store.Backend { return peeks{plain{m}, m} }, true, false},
		"Replacer":      {func(m *memstore.Store) store.Backend { return replaces{plain{m}, m} }, false, true},
		"both":          {func(m *memstore.Store) store.Backend { return m }, true, true},
		"both, beneath": {func(m *memstore.Store) store.Backend { return wraps{plain{m}} }, true, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := memstore.New(memstore.Config{})
			b := breaker.New(row.of(m), breaker.Config{})
			defer b.Close()
			local, hasLocal := store.As[store.Local](b)
			writer, hasWriter := store.As[store.Replacer](b)
			if hasLocal != row.local || hasWriter != row.replace {
				t.Fatalf("Local %v, Replacer %v, want %v, %v", hasLocal, hasWriter, row.local, row.replace)
			}
			if hasLocal && local == store.Local(m) || hasWriter && writer == store.Replacer(m) {
				t.Error("the memory's own is found past the breaker")
			}
			if row.local && row.replace {
				if tier, ok := store.As[store.Tier](b); !ok || tier.Tier() != "memory" {
					t.Error("the backend's other abilities are not found")
				}
			}
		})
	}
}

func TestI2_PeekHonoursWhatIsQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		local, _ := store.As[store.Local](r.Breaker)
		peek := func(key string, want bool) {
			t.Helper()
			if _, _, ok := local.Peek([]byte(key)); ok != want {
				t.Errorf("Peek(%q) = %v, want %v", key, ok, want)
			}
		}
		r.put("k", "old", "a")
		r.put("l", "old", "b")
		r.put("m", "v", "c")
		peek("k", true)
		r.back.is(only(down, evict, remove))
		r.pends("a")
		_ = r.Delete(t.Context(), "l")
		peek("k", false)
		peek("l", false)
		peek("m", true)
		r.trip()
		peek("m", false)
		r.back.is(nil)
		time.Sleep(8 * time.Second)
		peek("k", false)
		peek("m", true)
	})
}

func TestReplaceFollowsTheSameRules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		writer, _ := store.As[store.Replacer](r.Breaker)
		write := func(key, value string, tags ...string) (store.Verdict, error) {
			return writer.Replace(t.Context(), key, record(value, r.find(key).Fence, "own"), tags...)
		}
		r.put("page", "old", "a")
		if v, err := write("k", "one", "a"); v != store.Stored || err != nil {
			t.Fatalf("Replace = %v, %v", v, err)
		}
		r.misses("page")
		r.hits("k", "one")
		r.put("page", "old", "a")

		r.back.is(only(hung, replace))
		takes(t, 500*time.Millisecond, func() {
			if v, err := write("k", "two", "a"); v == store.Stored || !errors.Is(err, store.ErrEvictionPending) {
				t.Errorf("Replace = %v, %v", v, err)
			}
		})
		r.misses("page")
		r.misses("k")
		if q := r.Queue(); q != "kk ta " {
			t.Errorf("queue %q", q)
		}
		calls := r.back.count(replace)
		takes(t, 0, func() {
			if v, err := write("l", "three"); v != store.Refused || !errors.Is(err, store.ErrEvictionPending) {
				t.Errorf("Replace with others queued = %v, %v", v, err)
			}
		})
		if r.back.count(replace) != calls {
			t.Error("it went to the backend past those that wait")
		}
		time.Sleep(time.Second)
		r.back.is(nil)
		if v, err := write("k", "four", "a"); v != store.Stored || err != nil {
			t.Errorf("Replace = %v, %v", v, err)
		}
		r.hits("k", "four")
	})
}

// TestI1_AReplaceThatAnEvictionOvertakesIsNotCalledStored is as that of Store.
func TestI1_AReplaceThatAnEvictionOvertakesIsNotCalledStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		writer, _ := store.As[store.Replacer](r.Breaker)
		fence := r.misses("k")
		r.back.then(slowly(replace, 300*time.Millisecond))
		done := make(chan store.Verdict)
		go func() {
			v, err := writer.Replace(t.Context(), "k", record("old", fence, "a"))
			if err != nil {
				t.Errorf("Replace: %v: its own evictions are confirmed", err)
			}
			done <- v
		}()
		synctest.Wait()
		r.back.is(only(down, evict))
		r.pends("a")
		if v := <-done; v != store.Unknown {
			t.Errorf("Replace = %v, want unknown", v)
		}
		r.misses("k")
	})
}

// TestStoreWritesThroughABreaker goes the way of an application.
func TestStoreWritesThroughABreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, breaker.Config{})
		entries := store.New(r.Breaker, store.Config{})
		options := store.Options{TTL: time.Minute, Tags: []string{"a"}}
		source := "one"
		get := func(want string) {
			t.Helper()
			if v, err := store.GetOrSet(t.Context(), entries, "k", options,
				func(context.Context) (string, error) { return source, nil }); v != want || err != nil {
				t.Errorf("GetOrSet = %q, %v, want %q", v, err, want)
			}
		}
		get("one")
		r.trip()
		err := store.WriteThrough(t.Context(), entries, "k", options, "two", func(_ context.Context, v string) error {
			source = v
			return nil
		})
		if !errors.Is(err, store.ErrEvictionPending) {
			t.Errorf("WriteThrough = %v", err)
		}
		get("two")
		r.back.is(nil)
		time.Sleep(5 * time.Second)
		r.in(breaker.Closed)
		get("two")
		get("two")
	})
}
