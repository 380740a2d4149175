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

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

const (
	faultKeys     = 4
	faultDuration = 2 * time.Second
)

// world is a source of truth, and what its readers know of it. A write makes the next version of a key, evicts, and
// when that is confirmed raises the key's floor. Whoever reads the floor and then begins a look-up must not be answered
// with less. A fill reads the version after its look-up.
type world struct {
	version, floor                  [faultKeys]atomic.Uint64
	hits, fills, evictions, refused atomic.Uint64
	stale                           atomic.Pointer[string]
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

// TestI1UnderFaults has two instances read and write while the server is treated badly.
func TestI1UnderFaults(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	ns := namespace()
	var w world
	var wg sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), faultDuration)
	defer stop()
	work := func(pause time.Duration, do func()) {
		wg.Go(func() {
			for ctx.Err() == nil && w.stale.Load() == nil {
				do()
				time.Sleep(time.Duration(rand.Int64N(int64(pause))))
			}
		})
	}
	for range 2 {
		s := redisstore.New(dial(t, server), redisstore.Config{Namespace: ns, Shards: 2, Lease: time.Millisecond})
		t.Cleanup(func() { _ = s.Close() })
		for range 6 {
			work(time.Millisecond, func() { w.read(s, rand.IntN(faultKeys)) })
		}
		work(10*time.Millisecond, func() { w.write(s, rand.IntN(faultKeys)) })
	}
	work(60*time.Millisecond, func() { fault(server, ns) })
	wg.Wait()
	if text := w.stale.Load(); text != nil {
		t.Error(*text)
	}
	t.Logf("%d hits, %d fills, %d evictions confirmed, %d not", w.hits.Load(), w.fills.Load(), w.evictions.Load(), w.refused.Load())
	if w.hits.Load() == 0 || w.fills.Load() == 0 || w.evictions.Load() == 0 {
		t.Error("nothing happened: the test proves nothing")
	}
}

// fault does something to the server that may happen to one.
func fault(s *testredis.Server, ns string) {
	shard := fmt.Sprintf("{%s:%d}:", ns, rand.IntN(2))
	switch rand.IntN(7) {
	case 0:
		_, _ = s.Do("DEL", shard+"m")
	case 1:
		_, _ = s.Do("DEL", shard+"z")
	case 2:
		_, _ = s.Do("FLUSHALL")
	case 3:
		_, _ = s.Do("SCRIPT", "FLUSH")
	case 4:
		s.Pause()
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		s.Resume()
	case 5:
		_, _ = s.Do("CONFIG", "SET", "maxmemory", "1")
		time.Sleep(20 * time.Millisecond)
		_, _ = s.Do("CONFIG", "SET", "maxmemory", "0")
	case 6:
		_, _ = s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
}
