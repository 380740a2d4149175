package redisstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
)

// world is a source of truth, and what its readers know of it. A write makes the next version of a key, evicts, and
// when that is confirmed raises the key's floor. Whoever reads the floor and then begins a look-up must not be answered
// with less. A fill reads the version after its look-up.
type world struct {
	version, floor                  [faultKeys]atomic.Uint64
	hits, fills, evictions, refused atomic.Uint64
	stale                           atomic.Pointer[string]
	workers                         sync.WaitGroup
}

// work has somebody do it again and again, with pauses, until ctx ends or something stale was seen.
func (w *world) work(ctx context.Context, pause time.Duration, do func()) {
	w.workers.Go(func() {
		for ctx.Err() == nil && w.stale.Load() == nil {
			do()
			time.Sleep(rand.N(pause))
		}
	})
}

// happens waits for as much as makes a phase worth something.
func (w *world) happens(t *testing.T, phase string, hits, evictions uint64) {
	t.Helper()
	before, evicted := w.hits.Load(), w.evictions.Load()
	for began := time.Now(); w.hits.Load() < before+hits || w.evictions.Load() < evicted+evictions; time.Sleep(5 * time.Millisecond) {
		if w.stale.Load() != nil {
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Errorf("%s: %d hits and %d evictions in 30 s", phase, w.hits.Load()-before, w.evictions.Load()-evicted)
			return
		}
	}
	t.Logf("%s: %d hits, %d fills, %d evictions confirmed, %d not", phase, w.hits.Load(), w.fills.Load(), w.evictions.Load(), w.refused.Load())
}

// rest waits for all who work, whose context has ended, and reports what they have seen.
func (w *world) rest(t *testing.T) {
	t.Helper()
	w.workers.Wait()
	if text := w.stale.Load(); text != nil {
		t.Error(*text)
	}
}

func name(key int) (record, tag string) { return fmt.Sprint("k", key), fmt.Sprint("tag", key) }

func (w *world) read(b store.Backend, key int) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	record, tag := name(key)
	floor := w.floor[key].Load()
	found, err := b.Lookup(ctx, record)
	if err != nil {
		return
	}
	if r := found[0].Record; r != nil {
		w.hits.Add(1)
		if v := binary.BigEndian.Uint64(r.Value); v < floor {
			text := fmt.Sprintf("key %d: version %d is found although %d was evicted", key, v, floor)
			w.stale.CompareAndSwap(nil, &text)
		}
		return
	}
	value := binary.BigEndian.AppendUint64(nil, w.version[key].Load())
	time.Sleep(time.Duration(rand.IntN(2)) * time.Millisecond)
	r := store.Record{Value: value, Tags: []string{tag, "all"}, TTL: time.Minute, Fence: found[0].Fence}
	if v, _ := b.Store(context.Background(), record, r); v == store.Stored {
		w.fills.Add(1)
	}
}

func (w *world) write(b store.Backend, key int) {
	v := w.version[key].Add(1)
	record, tag := name(key)
	evict := func() error { return b.Evict(context.Background(), tag) }
	if rand.IntN(4) == 0 {
		evict = func() error { return b.Delete(context.Background(), record) }
	}
	if evict() != nil {
		w.refused.Add(1)
		return
	}
	w.evictions.Add(1)
	for {
		floor := w.floor[key].Load()
		if floor >= v || w.floor[key].CompareAndSwap(floor, v) {
			return
		}
	}
}
