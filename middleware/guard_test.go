package middleware_test

import (
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/response"
)

// The guard holds the cost of a hit to that of something else in the same process, so that it needs no figure of any
// machine. Its bounds let through every noise that was seen, and stop a cost that has doubled.
//
// A round takes a slice of each, and so a ratio; the median of the rounds is what counts. What counts of a slice is the time
// that the thread had a processor. Whoever takes that away, or empties its caches, still spoils the ratios of a few rounds.
const (
	guardRounds = 151
	guardSlice  = 500 * time.Microsecond
)

// guarded keeps the guard out of a run that shares its processors with other tests, and with the race detector.
func guarded(t *testing.T) {
	t.Helper()
	if raceEnabled || os.Getenv("GUARD") == "" {
		t.Skip("it measures time: make guard, or GUARD=1 without the race detector")
	}
}

// ratio returns what subject costs in units of reference: the median over rounds in which they take turns.
func ratio(subject, reference func()) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	calls := [2]int{callsIn(guardSlice, subject), callsIn(guardSlice, reference)}
	each := func(n int, f func()) float64 {
		before := threadTime()
		for range n {
			f()
		}
		return float64(threadTime()-before) / float64(n)
	}
	ratios := make([]float64, guardRounds)
	for i := range ratios {
		if i%2 == 0 { // neither is always the first
			s := each(calls[0], subject)
			ratios[i] = s / each(calls[1], reference)
		} else {
			r := each(calls[1], reference)
			ratios[i] = each(calls[0], subject) / r
		}
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// callsIn returns how many calls of f fill a slice of time.
func callsIn(slice time.Duration, f func()) int {
	for n := 16; ; n *= 2 {
		before := threadTime()
		for range n {
			f()
		}
		if took := threadTime() - before; took >= slice/2 {
			return max(1, int(float64(n)*float64(slice)/float64(took)))
		}
	}
}

// watch is one cost that is guarded.
type watch struct {
	name               string
	subject, reference func()
	bound              float64
}

// asking returns a function that asks an Echo for the benchmarks' page, and looks at the answer.
func asking(tb testing.TB, e *echo.Echo, size int) func() {
	tb.Helper()
	r, w := benchRequest(tb), newBenchWriter()
	serve := func() {
		w.reset()
		e.ServeHTTP(w, r)
		if w.status != http.StatusOK || w.bytes != size {
			tb.Fatalf("status %d, %d bytes", w.status, w.bytes)
		}
	}
	serve() // fills the cache, if there is one
	return serve
}

// watches returns what is guarded, with each subject served as often as times says.
func watches(t *testing.T, times int) []watch {
	t.Helper()
	page := func(size int) (hit, bare func()) {
		cached, plain, ran := hitPath(t, keyed.Public(), size)
		t.Cleanup(func() {
			if *ran != 1 {
				t.Errorf("the handler ran %d times", *ran)
			}
		})
		return asking(t, cached, size), asking(t, plain, size)
	}
	hit, bare := page(1 << 10)
	large, _ := page(64 << 10)
	told, body := echo.New(), make([]byte, 1<<10)
	told.GET("/brands/:brand/products/:id", func(c echo.Context) error {
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
	}, echocache.Response(response.Public(time.Hour)))
	rows := []watch{
		{"a hit, in calls of bare Echo", hit, bare, 4.3},
		{"a hit of 64 KiB, in hits of 1 KiB", large, hit, 1.5},
		{"response headers, in calls of bare Echo", asking(t, told, 1<<10), bare, 3},
	}
	for i := range rows {
		subject := rows[i].subject
		rows[i].subject = func() {
			for range times {
				subject()
			}
		}
	}
	return rows
}

func TestGuard(t *testing.T) {
	guarded(t)
	for _, w := range watches(t, 1) {
		got := ratio(w.subject, w.reference)
		t.Logf("%s: %.2f, bound %.1f", w.name, got, w.bound)
		if got > w.bound {
			t.Errorf("%s: %.2f, want at most %.1f", w.name, got, w.bound)
		}
	}
}

// TestGuardStopsADoubledCost gives the guard subjects that cost twice as much as they do.
func TestGuardStopsADoubledCost(t *testing.T) {
	guarded(t)
	for _, w := range watches(t, 2) {
		got := ratio(w.subject, w.reference)
		t.Logf("%s, doubled: %.2f, bound %.1f", w.name, got, w.bound)
		if got <= w.bound {
			t.Errorf("%s: doubled it is %.2f, which the bound of %.1f lets through", w.name, got, w.bound)
		}
	}
}
