package breaker_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/store"
)

// A random history: workers read, fill and write a few keys through a breaker while its backend has one trouble after
// the other. A value depends on two sources, its key's own and one that it shares. Who writes makes the next version of
// a source, evicts, and when that has returned, confirmed or queued, raises the floor: who begins to read afterwards,
// here, must not see less. What other instances may see is raised by a confirmation only.
type history struct {
	*rig

	local   store.Local
	writer  store.Replacer
	own     [historyKeys]versions
	shared  [2]versions
	hits    atomic.Int64
	pending atomic.Int64
	opened  atomic.Int64
	wrong   atomic.Pointer[string]
}

const (
	historyKeys    = 4
	historyWorkers = 6
	historySteps   = 120
)

type versions struct {
	version     atomic.Uint64
	here, there atomic.Uint64 // floors, of this process and of all
}

func (h *history) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	h.wrong.CompareAndSwap(nil, &text)
}

func raise(floor *atomic.Uint64, to uint64) {
	for {
		at := floor.Load()
		if at >= to || floor.CompareAndSwap(at, to) {
			return
		}
	}
}

func historyKey(k int) string { return fmt.Sprint("key", k) }
func sharedTag(k int) string  { return fmt.Sprint("shared", k%2) }
func (h *history) floors(k int) [2]uint64 {
	return [2]uint64{h.own[k].here.Load(), h.shared[k%2].here.Load()}
}

func (h *history) judge(who string, value []byte, floors [2]uint64) {
	for i, floor := range floors {
		if v := binary.BigEndian.Uint64(value[8*i:]); v < floor {
			h.fault("%s: version %d of source %d, after the eviction of %d has returned", who, v, i, floor)
		}
	}
}

func (h *history) work(r *rand.Rand) {
	for range historySteps {
		k := r.IntN(historyKeys)
		switch r.IntN(10) {
		case 0:
			h.write(&h.shared[k%2], func() error { return h.Evict(context.Background(), sharedTag(k)) })
		case 1:
			h.write(&h.own[k], func() error { return h.Delete(context.Background(), historyKey(k)) })
		case 2:
			h.writeThrough(k)
		default:
			h.read(r, k)
		}
		if h.State() != breaker.Closed {
			h.opened.Add(1)
		}
		time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
	}
}

func (h *history) write(s *versions, evict func() error) {
	version := s.version.Add(1)
	h.settle(s, version, evict())
}

func (h *history) settle(s *versions, version uint64, err error) {
	switch {
	case err == nil:
		raise(&s.there, version)
	case errors.Is(err, store.ErrEvictionPending):
		h.pending.Add(1)
	default:
		h.fault("evict: %v", err)
	}
	raise(&s.here, version)
}

// writeThrough changes a source between a look-up and a Replace, alone: two at once know nothing of each other.
func (h *history) writeThrough(k int) {
	found, err := h.Lookup(context.Background(), historyKey(k))
	if err != nil {
		return
	}
	s := &h.own[k]
	shared := h.shared[k%2].version.Load()
	version := s.version.Load() + 1
	if !s.version.CompareAndSwap(version-1, version) {
		return
	}
	_, err = h.writer.Replace(context.Background(), historyKey(k),
		record(string(value(version, shared)), found[0].Fence, sharedTag(k)))
	h.settle(s, version, err)
}

func value(own, shared uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, own), shared)
}

func (h *history) read(r *rand.Rand, k int) {
	floors := h.floors(k)
	if r.IntN(3) == 0 {
		if held, _, ok := h.local.Peek([]byte(historyKey(k))); ok {
			h.hits.Add(1)
			h.judge("peek", held.Record().Value, floors)
		}
		return
	}
	found, err := h.Lookup(context.Background(), historyKey(k))
	if err != nil {
		return
	}
	if found[0].Record != nil {
		h.hits.Add(1)
		h.judge("look up", found[0].Record.Value, floors)
		return
	}
	made := value(h.own[k].version.Load(), h.shared[k%2].version.Load())
	time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
	// Who comes as late as this, and waits for this fill, is answered with it if it is stored.
	floors = h.floors(k)
	verdict, _ := h.Store(context.Background(), historyKey(k), record(string(made), found[0].Fence, sharedTag(k)))
	if verdict == store.Stored {
		h.judge("store", made, floors)
	}
}

// trouble lets the backend be one thing after another until stop is closed, and then well.
func (h *history) trouble(r *rand.Rand, stop <-chan struct{}) {
	for {
		chance := r.IntN(10) + 1
		var mu sync.Mutex
		dice := rand.New(rand.NewPCG(r.Uint64(), 1)) // under mu
		struck := func() bool {
			mu.Lock()
			defer mu.Unlock()
			return dice.IntN(10) < chance
		}
		kinds := []func(context.Context, op, []string) error{
			down, hung,
			func(context.Context, op, []string) error { time.Sleep(90 * time.Millisecond); return nil },
		}
		kind := kinds[r.IntN(len(kinds))]
		ops := [][]op{{evict, remove, replace}, {lookup, keep, evict, remove, replace}, {keep}, {evict}, {}, {}, {}}[r.IntN(7)]
		h.back.is(func(ctx context.Context, what op, names []string) error {
			if !struck() {
				return nil
			}
			return only(kind, ops...)(ctx, what, names)
		})
		late := time.Duration(r.IntN(3)) * 40 * time.Millisecond
		lost := r.IntN(3) == 0
		h.back.then(func(op, []string) error {
			time.Sleep(late)
			if lost && struck() {
				return context.DeadlineExceeded // done, and nobody knows
			}
			return nil
		})
		select {
		case <-stop:
			h.back.is(nil)
			return
		case <-fakes.After(time.Duration(r.IntN(2000)) * time.Millisecond):
		}
	}
}

// heal waits until the breaker believes its backend again, and insists that by then no instance finds what was evicted.
func (h *history) heal() {
	time.Sleep(30 * time.Second)
	if n := h.Pending(); n != 0 || h.State() != breaker.Closed {
		h.fault("half a minute after the backend is back the breaker is %v with %d pending", h.State(), n)
	}
	for k := range historyKeys {
		found, err := h.back.memory.Lookup(context.Background(), historyKey(k))
		if err != nil {
			h.fault("%v", err)
		} else if found[0].Record != nil {
			h.judge("another instance", found[0].Record.Value, h.floors(k))
		}
	}
}

func TestI1_I2_NoHistoryServesWhatWasEvicted(t *testing.T) {
	t.Parallel()
	var hits, pending, opened atomic.Int64
	t.Cleanup(func() { // when all have run
		t.Logf("%d hits, %d evictions queued, %d times met it open", hits.Load(), pending.Load(), opened.Load())
		if hits.Load() == 0 || pending.Load() == 0 || opened.Load() == 0 {
			t.Error("the histories are too tame")
		}
	})
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := &history{rig: newRig(t, breaker.Config{MaxPending: 3 + seed%4})}
				h.local, _ = store.As[store.Local](h.Breaker)
				h.writer, _ = store.As[store.Replacer](h.Breaker)
				var workers, troubles sync.WaitGroup
				stop := make(chan struct{})
				troubles.Go(func() { h.trouble(rand.New(rand.NewPCG(uint64(seed), 99)), stop) })
				for w := range historyWorkers {
					workers.Go(func() { h.work(rand.New(rand.NewPCG(uint64(seed), uint64(w)))) })
				}
				workers.Wait()
				close(stop)
				troubles.Wait()
				h.heal()
				if wrong := h.wrong.Load(); wrong != nil {
					t.Error(*wrong)
				}
				hits.Add(h.hits.Load())
				pending.Add(h.pending.Load())
				opened.Add(h.opened.Load())
			})
		})
	}
}
