package breaker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// claims is a backend of which keys can be claimed.
type claims struct {
	store.Backend

	takes          time.Duration
	deaf           bool // to its context
	err            error
	made, released atomic.Int64
}

func (c *claims) Claim(ctx context.Context, _ string, _ time.Duration) (func(), bool, error) {
	c.made.Add(1)
	select {
	case <-fakes.After(c.takes):
	case <-ctx.Done():
		if !c.deaf {
			return nil, false, ctx.Err()
		}
		time.Sleep(c.takes)
	}
	if c.err != nil {
		return nil, false, c.err
	}
	return func() { c.released.Add(1) }, true, nil
}

func TestClaimsGoThroughTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memstore.New(memstore.Config{})
		without := breaker.New(m, breaker.Config{})
		defer without.Close()
		if _, ok := store.As[store.Fleet](without); ok {
			t.Error("a backend that lacks the ability seems to have it")
		}
		back := &claims{Backend: struct {
			store.Backend
			store.Replacer
		}{m, m}}
		b := breaker.New(back, breaker.Config{})
		defer b.Close()
		f, ok := store.As[store.Fleet](b)
		if !ok || f == store.Fleet(back) {
			t.Fatalf("found %v, past the breaker", f)
		}
		release, held, err := f.Claim(t.Context(), "k", time.Second)
		if !held || err != nil {
			t.Fatalf("%v, %v", held, err)
		}
		release()
		if back.released.Load() != 1 {
			t.Error("it was not given up")
		}
		// While the breaker is open the backend is left alone, and nobody waits.
		release, _, _ = f.Claim(t.Context(), "k", time.Second)
		back.err = errors.New("down")
		for range 5 {
			if _, _, err := f.Claim(t.Context(), "k", time.Second); err == nil {
				t.Error("no error")
			}
		}
		if b.State() != breaker.Open {
			t.Fatalf("%s after five failures", b.State())
		}
		made := back.made.Load()
		if _, held, err := f.Claim(t.Context(), "k", time.Second); held || err == nil || back.made.Load() != made {
			t.Errorf("%v, %v, %d more claims", held, err, back.made.Load()-made)
		}
		release()
		if back.released.Load() != 1 {
			t.Error("a backend in trouble was told")
		}
	})
}

// TestTheOtherAbilitiesAreFoundBehindClaims has both links of the chain.
func TestTheOtherAbilitiesAreFoundBehindClaims(t *testing.T) {
	t.Parallel()
	m := memstore.New(memstore.Config{})
	back := struct {
		store.Backend
		store.Local
		store.Replacer
		store.Fleet
	}{m, m, m, &claims{}}
	b := breaker.New(back, breaker.Config{})
	defer b.Close()
	if local, ok := store.As[store.Local](b); !ok || local == store.Local(back) {
		t.Error("Local")
	}
	if writer, ok := store.As[store.Replacer](b); !ok || writer == store.Replacer(back) {
		t.Error("Replacer")
	}
}

// A claim takes no longer than its budget, and one that is granted later is given up.
func TestAClaimHasABudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		back := &claims{Backend: memstore.New(memstore.Config{}), takes: time.Second, deaf: true}
		b := breaker.New(back, breaker.Config{})
		f, _ := store.As[store.Fleet](b)
		takes(t, breaker.DefaultLookupTimeout, func() {
			if _, held, err := f.Claim(t.Context(), "k", time.Minute); held || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, %v", held, err)
			}
		})
		if err := b.Close(); err != nil { // waits for the call
			t.Error(err)
		}
		if back.released.Load() != 1 {
			t.Error("it is still held")
		}
	})
}
