package fleet_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/fleet"
)

// world is what one process sees of the others.
type world struct {
	free     time.Time // from when on the key can be claimed
	stored   time.Time // from when on the entry is there; zero = never
	trouble  time.Time // from when on nothing can be seen; zero = never
	broken   time.Time // from when on claims fail; zero = never
	released int
	claims   int
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (w *world) claim(context.Context) (func(), bool, error) {
	w.claims++
	if past(w.broken) {
		return nil, false, errors.New("broken")
	}
	if !past(w.free) {
		return nil, false, nil
	}
	return func() { w.released++ }, true, nil
}

func (w *world) look() fleet.Sight {
	switch {
	case past(w.trouble):
		return fleet.Trouble
	case past(w.stored):
		return fleet.There
	default:
		return fleet.Nothing
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	const later, soonAfter, never = 300 * time.Millisecond, 350 * time.Millisecond, time.Hour
	for name, row := range map[string]struct {
		free, stored, trouble, broken, leaves time.Duration
		found, held                           bool
		least, most                           time.Duration
	}{
		"nobody has it":          {0, never, never, never, never, false, true, 0, 0},
		"it was there just now":  {0, 0, never, never, never, true, false, 0, 0},
		"it appears":             {never, later, never, never, never, true, false, later, soonAfter},
		"the holder gives it up": {later, never, never, never, never, false, true, later, soonAfter},
		"nothing happens":        {never, never, never, never, never, false, false, fleet.Patience, fleet.Patience},
		"claims fail":            {never, never, never, 0, never, false, false, 0, 0},
		"claims begin to fail":   {never, never, never, later, never, false, false, later, soonAfter},
		"nothing can be seen":    {never, never, later, never, never, false, false, later, soonAfter},
		"the caller leaves":      {never, never, never, never, later, false, false, later, later},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				in := began.Add
				w := &world{free: in(row.free), stored: in(row.stored), trouble: in(row.trouble), broken: in(row.broken)}
				ctx, cancel := context.WithDeadline(t.Context(), in(row.leaves))
				defer cancel()
				found, release := fleet.Await(ctx, fleet.Patience, w.claim, w.look)
				took := time.Since(began)
				if found != row.found || took < row.least || took > row.most {
					t.Errorf("found %v after %s, want %v after %s to %s", found, took, row.found, row.least, row.most)
				}
				before := w.released
				release()
				if held := w.released > before; held != row.held {
					t.Errorf("held %v, want %v", held, row.held)
				}
				if found && past(w.free) && w.released != 1 {
					t.Error("found, and the claim is still held")
				}
				if w.claims > 100 {
					t.Errorf("%d claims", w.claims)
				}
			})
		})
	}
}
