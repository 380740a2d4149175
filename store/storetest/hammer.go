package storetest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/echocache/echocache/store"
)

// How hard the hammer strikes.
const (
	hammerWorkers = 6
	hammerRounds  = 1500
	hammerKeys    = 4
)

// hammers is the contract under concurrency.
var hammers = []clause{
	{"no interleaving serves what was evicted before", func(p *probe) {
		h := &hammer{probe: p}
		h.local, _ = store.As[store.Local](p.Backend)
		var wg sync.WaitGroup
		for worker := range hammerWorkers {
			wg.Go(func() { h.work(rand.New(rand.NewPCG(1, uint64(worker)))) })
		}
		wg.Wait()
		if err := h.first.Load(); err != nil {
			p.breach("%w", *err)
		}
		if h.hits.Load() == 0 {
			p.breach("in %d rounds nothing was ever found", hammerWorkers*hammerRounds)
		}
	}},
}

// hammer lets several workers read, fill, evict and delete a few keys at once, and judges every answer exactly.
//
// Each key's value depends on three sources: its own, one that it shares with half of the keys, and one for all. A
// write makes the next version of a source, then evicts what depends on it, and when that has returned raises the
// source's floor to the version. A fill reads the versions after its look-up. So whoever reads the floors and then
// begins a look-up must not be answered with a version below one of them.
type hammer struct {
	*probe

	local   store.Local // may be nil
	sources [2*hammerKeys + 3]source
	hits    atomic.Int64
	first   atomic.Pointer[error]
}

type source struct{ version, floor atomic.Uint64 }

// needs returns which sources the value of key depends on.
func needs(key int) [3]int { return [3]int{key, hammerKeys + key%2, 2*hammerKeys + 2} }

func (h *hammer) work(r *rand.Rand) {
	for range hammerRounds {
		key := r.IntN(hammerKeys)
		var err error
		if r.IntN(12) == 0 {
			err = h.write(r, key)
		} else {
			err = h.read(r, key)
		}
		if err != nil {
			h.first.CompareAndSwap(nil, &err)
			return
		}
		if h.first.Load() != nil {
			return
		}
	}
}

// write changes one of the sources of key and evicts what depends on it.
func (h *hammer) write(r *rand.Rand, key int) error {
	which := r.IntN(3)
	n := needs(key)[which]
	src := &h.sources[n]
	version := src.version.Add(1)
	pause(r)
	var err error
	if which == 0 {
		err = h.Delete(h.ctx, name("key", key))
	} else {
		err = h.Evict(h.ctx, name("source", n))
	}
	if err != nil {
		return fmt.Errorf("evict: %w", err)
	}
	for {
		floor := src.floor.Load()
		if floor >= version || src.floor.CompareAndSwap(floor, version) {
			return nil
		}
	}
}

// read looks key up, and fills it if it is not there.
func (h *hammer) read(r *rand.Rand, key int) error {
	floors := h.floors(key)
	if h.local != nil && r.IntN(2) == 0 {
		held, _, ok := h.local.Peek([]byte(name("key", key)))
		if !ok {
			return nil
		}
		h.hits.Add(1)
		return judge("peek", held.Record().Value, floors)
	}
	found, err := h.Lookup(h.ctx, name("key", key))
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	if found[0].Record != nil {
		h.hits.Add(1)
		return judge("look up", found[0].Record.Value, floors)
	}
	return h.fill(r, key, found[0].Fence)
}

func (h *hammer) fill(r *rand.Rand, key int, f store.Fence) error {
	pause(r)
	var value []byte
	for _, n := range needs(key) {
		value = binary.BigEndian.AppendUint64(value, h.sources[n].version.Load())
	}
	pause(r)
	// Who waits for this fill arrived by now, and is answered with it if it is stored.
	floors := h.floors(key)
	n := needs(key)
	verdict, err := h.Store(h.ctx, name("key", key), store.Record{
		Value: value, Tags: []string{name("source", n[1]), name("source", n[2])}, TTL: long, Fence: f,
	})
	switch verdict {
	case store.Stored:
		return judge("store", value, floors)
	case store.Fenced:
		return nil
	default:
		return fmt.Errorf("store: %v: %w", verdict, err)
	}
}

func (h *hammer) floors(key int) (floors [3]uint64) {
	for i, n := range needs(key) {
		floors[i] = h.sources[n].floor.Load()
	}
	return floors
}

// judge compares the versions in value with the floors that were read before it was asked for.
func judge(who string, value []byte, floors [3]uint64) error {
	if len(value) != 8*len(floors) {
		return fmt.Errorf("%s: %d bytes instead of a value", who, len(value))
	}
	for i, floor := range floors {
		if version := binary.BigEndian.Uint64(value[8*i:]); version < floor {
			return fmt.Errorf("%s: stale: version %d of source %d after the eviction of %d had returned", who, version, i, floor)
		}
	}
	return nil
}

// pause gives the others a chance, now and then, where it hurts.
func pause(r *rand.Rand) {
	for range r.IntN(3) {
		runtime.Gosched()
	}
}
