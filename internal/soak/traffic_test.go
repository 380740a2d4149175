package soak_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/echocache/echocache/store"
)

// ttl is so short that records end by themselves as well.
const ttl = 3 * time.Second

const defaultFill = 5 * time.Millisecond

const (
	readersEach = 3 // of each instance but the one that only evicts
	callersEach = 4 // of GetOrSet
	manyWriters = 10
	fewWriters  = 2
)

// fill computes the value of a row as every handler does: it reads first, and then takes its time.
func (w *world) fill(k int) int64 {
	version := w.rows[k].version.Load()
	time.Sleep(rand.N(w.longest))
	return version
}

func (w *world) stopped() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// read has readers at every instance, until w.done is closed.
func (w *world) read() {
	for _, i := range w.instances {
		if i.name == "evictor" {
			continue
		}
		for range readersEach {
			w.readers.Go(func() { w.lookUp(i) })
		}
		if i.values == nil {
			continue
		}
		for range callersEach {
			w.readers.Go(func() { w.getOrSet(i) })
		}
	}
	w.readers.Go(w.settle)
}

// lookUp reads and fills by the backend's own methods.
func (w *world) lookUp(i *instance) {
	local, _ := store.As[store.Local](i.backend)
	for ; !w.stopped(); time.Sleep(rand.N(2 * time.Millisecond)) {
		k := rand.IntN(rows)
		if local != nil && rand.IntN(2) == 0 {
			a := w.ask(i, k)
			if held, _, ok := local.Peek([]byte(w.rows[k].key)); ok {
				w.hits.Add(1)
				w.judge(i, "peek", k, parse(held.Record()), a)
				continue
			}
		}
		w.lookUpOnce(i, k)
	}
}

// lookUpOnce reports whether it found something.
func (w *world) lookUpOnce(i *instance, k int) bool {
	row, a := &w.rows[k], w.ask(i, k)
	found, err := i.backend.Lookup(context.Background(), row.key)
	switch {
	case err != nil:
		w.failed.Add(1)
		return false
	case found[0].Record != nil:
		w.hits.Add(1)
		w.judge(i, "look-up", k, parse(found[0].Record), a)
		return true
	}
	w.reads.Add(1)
	if found[0].Fence.Epoch == [16]byte{} {
		w.blind.Add(1)
		return false
	}
	version := w.fill(k)
	verdict, _ := i.backend.Store(context.Background(), row.key, store.Record{
		Value: strconv.AppendInt(nil, version, 10), Tags: []string{"all", row.tag}, TTL: ttl, Fence: found[0].Fence,
	})
	switch verdict {
	case store.Stored:
		w.stored.Add(1)
	case store.Fenced:
		w.fenced.Add(1)
	default:
		w.notKept.Add(1)
	}
	return false
}

func parse(r *store.Record) int64 {
	version, err := strconv.ParseInt(string(r.Value), 10, 64)
	if err != nil {
		return -1 // below every floor
	}
	return version
}

// getOrSet reads as an application does. All callers want the same row at a time, so that they meet in loads.
func (w *world) getOrSet(i *instance) {
	for ; !w.stopped(); time.Sleep(rand.N(2 * time.Millisecond)) {
		k := int(time.Now().UnixMilli()/10) % rows
		a := w.ask(i, k)
		if i.broken != nil {
			if version, err := i.broken.get(i.backend, "x"+w.rows[k].key, []string{"all", w.rows[k].tag},
				func() int64 { return w.fill(k) }); err == nil {
				w.judge(i, "GetOrSet", k, version, a)
			}
			continue
		}
		version, err := store.GetOrSet(context.Background(), i.values, w.rows[k].key, store.For(ttl, "all", w.rows[k].tag),
			func(context.Context) (int64, error) { return w.fill(k), nil })
		if err != nil {
			w.fault(badError, "%s: GetOrSet: %v", i.name, err)
			continue
		}
		w.judge(i, "GetOrSet", k, version, a)
	}
}

// write changes rows and evicts them, until ctx ends.
func (w *world) write(ctx context.Context) {
	var all sync.WaitGroup
	for range w.writers {
		all.Go(func() {
			for ctx.Err() == nil {
				w.change(w.evictors[rand.IntN(len(w.evictors))], rand.IntN(rows))
				time.Sleep(rand.N(25 * time.Millisecond))
			}
		})
	}
	all.Wait()
}

// change changes a row and evicts it on an instance.
func (w *world) change(i *instance, k int) {
	row := &w.rows[k]
	version := row.version.Add(1)
	began := time.Now()
	err := i.backend.Evict(context.Background(), row.tag)
	w.diary.note("%s: evict row %d, version %d: %v after %v", i.name, k, version, err, time.Since(began))
	switch {
	case err == nil:
		w.tape.evicted(k, version, began)
		row.confirm(version)
		raise(&i.told[k], version)
		w.confirmed.Add(1)
	case errors.Is(err, store.ErrEvictionPending):
		raise(&i.told[k], version)
		raise(&i.owed[k], version)
		w.pending.Add(1)
	default:
		w.fault(badError, "%s: Evict: %v", i.name, err)
	}
}

// settle notes, until w.done is closed, what was confirmed after it had been queued: everything that an instance owed
// before it was seen to owe nothing.
func (w *world) settle() {
	for ; !w.stopped(); time.Sleep(10 * time.Millisecond) {
		w.settleOnce()
	}
}

// settleOnce reports whether nothing is queued anywhere.
func (w *world) settleOnce() bool {
	none := true
	for _, i := range w.instances {
		var owed [rows]int64
		for k := range owed {
			owed[k] = i.owed[k].Load()
		}
		if i.breaker.Pending() > 0 {
			none = false
			continue
		}
		for k, version := range owed {
			if version > w.rows[k].floor.Load() {
				w.diary.note("%s: row %d, version %d: settled", i.name, k, version)
				w.rows[k].confirm(version)
				w.settled.Add(1)
			}
		}
	}
	return none
}
