package breaker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/storetest"
)

// life is one breaker after another with the same journal file and backend. The process is killed, and so loses all but
// the file, in the middle of things.
type life struct {
	*rig

	path    string
	version [3]int // of each source, whose tag is its number
	floor   [3]int
	fences  [3]store.Fence // of a fill that is under way
	fills   [3]int         // the version that it has read
	kills   int
}

func (l *life) start() {
	l.Breaker = breaker.New(l.back, breaker.Config{JournalFile: l.path, MaxPending: 2})
	if err := l.Check(); err != nil {
		l.t.Fatal(err)
	}
	l.fences = [3]store.Fence{} // fills end with their process
}

func (l *life) step(r *rand.Rand) {
	n := r.IntN(3)
	key := fmt.Sprint("key", n)
	switch r.IntN(12) {
	case 0, 1:
		l.version[n]++
		err := l.Evict(l.t.Context(), strconv.Itoa(n))
		if err != nil && !errors.Is(err, store.ErrEvictionPending) {
			l.t.Fatal(err)
		}
		l.floor[n] = l.version[n]
	case 2:
		faults := []func(){
			func() { l.back.is(down) }, func() { l.back.is(hung) }, func() { l.back.is(nil) }, func() { l.back.is(nil) },
			func() { l.back.is(only(down, evict)) }, func() { l.back.is(only(hung, evict)) },
		}
		faults[r.IntN(len(faults))]()
	case 3:
		if r.IntN(3) == 0 {
			l.Kill()
			l.kills++
			l.start()
		}
	case 4, 5, 6:
		found, err := l.Lookup(l.t.Context(), key)
		if err != nil {
			return
		}
		l.fences[n], l.fills[n] = found[0].Fence, l.version[n]
		if found[0].Record != nil {
			l.judge(n, found[0].Record.Value)
		}
	case 7, 8, 9:
		_, _ = l.Store(l.t.Context(), key, record(strconv.Itoa(l.fills[n]), l.fences[n], strconv.Itoa(n)))
	default:
		time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
	}
}

func (l *life) judge(n int, value []byte) {
	l.t.Helper()
	if v, err := strconv.Atoi(string(value)); err != nil || v < l.floor[n] {
		l.t.Fatalf("found version %q of %d, after the eviction of %d and %d kills", value, n, l.floor[n], l.kills)
	}
}

func TestI1_I2_NoKillBringsBackWhatWasEvicted(t *testing.T) {
	t.Parallel()
	for seed := range 40 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				back := newFlaky()
				l := &life{rig: &rig{t: t, back: back}, path: journal(t)}
				l.start()
				r := rand.New(rand.NewPCG(uint64(seed), 7))
				for range 400 {
					l.step(r)
				}
				back.is(nil)
				time.Sleep(30 * time.Second)
				if l.Pending() != 0 || l.State() != breaker.Closed {
					t.Errorf("%v with %d pending long after the backend is back", l.State(), l.Pending())
				}
				for n := range 3 {
					found, _ := back.memory.Lookup(t.Context(), fmt.Sprint("key", n))
					if found[0].Record != nil {
						l.judge(n, found[0].Record.Value)
					}
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func BenchmarkBreaker(b *testing.B) {
	storetest.Bench(b, func(*testing.B) store.Backend { return breaker.New(newFlaky().memory, breaker.Config{}) })
}
