package storetest_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/store"
)

// fault is one way to be wrong.
type fault string

// fake is a second backend, as plain as can be: one lock, two maps. Without a fault it keeps the contract. With one it
// breaks it in the way that the fault names; see mutants.
type fake struct {
	fault fault
	room  int // ticks that are remembered
	now   func() time.Time

	mu      sync.Mutex
	epoch   [16]byte
	clock   uint64
	floor   uint64
	ticks   map[string]uint64
	records map[string]fakeRecord
	closed  bool
	late    sync.WaitGroup
}

type fakeRecord struct {
	store.Record

	due  time.Time
	idle time.Time // zero = due
	view *any
}

func newFake(f fault) *fake {
	b := newFakeAt(time.Now)
	b.fault = f
	return b
}

func newFakeAt(now func() time.Time) *fake {
	return &fake{
		room: 1 << 16, now: now, epoch: [16]byte{1}, ticks: map[string]uint64{}, records: map[string]fakeRecord{},
	}
}

// shifted is a clock that somebody moves by hand besides.
type shifted struct{ by atomic.Int64 }

func (c *shifted) now() time.Time          { return time.Now().Add(time.Duration(c.by.Load())) }
func (c *shifted) advance(d time.Duration) { c.by.Add(int64(d)) }

func (f *fake) has(fault fault) bool { return f.fault == fault }

// fresh reports whether nothing that r carries was evicted since its fence. The caller holds mu, as for all below that
// begin with a small letter.
func (f *fake) fresh(key string, r store.Record) bool {
	if f.has("foreign epoch accepted") {
		r.Fence.Epoch = f.epoch
	}
	if r.Fence.Epoch != f.epoch || r.Fence.Tick < f.floor {
		return false
	}
	if f.has("only the first tag compared") {
		r.Tags = r.Tags[:min(1, len(r.Tags))]
	}
	if f.has("only the last tag compared") {
		r.Tags = r.Tags[max(0, len(r.Tags)-1):]
	}
	for _, tag := range r.Tags {
		if f.ticks[f.name("t", tag)] > r.Fence.Tick {
			return false
		}
	}
	return f.ticks[f.name("k", key)] <= r.Fence.Tick
}

// name keeps tags and keys apart.
func (f *fake) name(kind, name string) string {
	switch {
	case f.has("a key is a tag"):
		return name
	case f.has("tags cut at a NUL") && kind == "t":
		before, _, _ := cut(name)
		return "t" + before
	}
	return kind + name
}

func cut(s string) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i], s[i:], true
		}
	}
	return s, "", false
}

func (f *fake) Lookup(_ context.Context, keys ...string) ([]store.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := make([]store.Found, len(keys))
	if f.closed && !f.has("found after Close") {
		if f.has("a fence after Close") {
			found[0].Fence = f.fence()
		}
		return found, nil
	}
	for i, key := range keys {
		found[i] = f.look(key)
	}
	if f.has("answers in the order of a map") && len(found) > 50 {
		slices.Reverse(found)
	}
	if f.has("the same key answered once") {
		found = found[:len(slices.Compact(slices.Clone(keys)))]
	}
	return found, nil
}

func (f *fake) fence() store.Fence { return store.Fence{Epoch: f.epoch, Tick: f.clock} }

func (f *fake) look(key string) store.Found {
	found := store.Found{Fence: f.fence()}
	if f.has("the fence is the next eviction's") {
		found.Fence.Tick++
	}
	r, ok := f.records[key]
	left := r.due.Sub(f.now())
	switch {
	case !ok:
		return found
	case f.idled(r):
		return found
	case left <= 0 && !f.has("expiry ignored"):
		return found
	case !f.has("hits not compared") && !f.has("judged and kept apart") && !f.fresh(key, r.Record):
		return found
	}
	found.Record, found.Left = &r.Record, left
	switch {
	case f.has("a hit without a fence"):
		found.Fence = store.Fence{}
	case f.has("a hit with its own fence"):
		found.Fence = r.Fence
	case f.has("the TTL instead of the time left"):
		found.Left = r.TTL
	case f.has("the window instead of the time left") && r.Sliding > 0:
		found.Left = r.Sliding
	case f.has("a window outlives the TTL") && r.Sliding > 0:
		r.due = f.now().Add(r.Sliding)
		f.records[key] = r
	case f.has("reading prolongs"):
		r.due = f.now().Add(r.TTL)
		f.records[key] = r
	}
	if r.Sliding > 0 && !f.has("windows end though read") {
		r.idle = f.now().Add(r.Sliding)
		f.records[key] = r
	}
	return found
}

// idled reports whether nobody has looked r up for too long.
func (f *fake) idled(r fakeRecord) bool {
	return r.Sliding > 0 && !r.idle.After(f.now()) && !f.has("windows never end")
}

func (f *fake) Store(_ context.Context, key string, r store.Record) (store.Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Tags = slices.Clone(r.Tags)
	switch {
	case f.closed && !f.has("kept after Close"):
		return store.Refused, errors.New("closed")
	case r.Fence.Epoch == [16]byte{} && !f.has("kept without a fence"):
		return store.Refused, errors.New("no fence")
	case r.Sliding < 0 && !f.has("a negative window accepted"):
		return store.Refused, errors.New("a negative window")
	case r.TTL == 0 && !f.has("a TTL of zero means for ever"), r.TTL < 0 && !f.has("a negative TTL means for ever"):
		return store.Refused, errors.New("no TTL")
	}
	if f.has("the fence taken at Store") || f.has("kept without a fence") {
		r.Fence = f.fence()
	}
	if !f.fresh(key, r) {
		switch {
		case f.has("a fenced fill removes what is there"):
			delete(f.records, key)
		case f.has("a fenced fill is kept"):
			f.keep(key, r)
		case f.has("fenced fills called stored"):
			return store.Stored, nil
		}
		return store.Fenced, nil
	}
	if f.has("judged and kept apart") {
		f.mu.Unlock()
		runtime.Gosched()
		f.mu.Lock()
	}
	if f.has("never kept") {
		return store.Stored, nil
	}
	if f.has("stored with an error") {
		f.keep(key, r)
		return store.Stored, errors.New("but")
	}
	f.keep(key, r)
	return store.Stored, nil
}

func (f *fake) keep(key string, r store.Record) {
	old, overwrites := f.records[key]
	switch {
	case f.has("the first record stays") && overwrites:
		return
	case f.has("the earlier record's tags stay") && overwrites:
		r.Tags = old.Tags
	}
	if r.TTL <= 0 {
		r.TTL = time.Hour
	}
	kept := fakeRecord{r, f.now().Add(r.TTL), f.now().Add(r.Sliding), new(any)}
	if f.has("views by key") && overwrites {
		kept.view = old.view
	}
	if f.has("the earlier record's TTL stays") && overwrites {
		kept.due = old.due
	}
	f.records[key] = kept
}

// Replace evicts what the fault says and keeps the record if the fault lets it.
func (f *fake) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	f.mu.Lock()
	fresh := f.fresh(key, r) || f.has("the last writer is believed") && r.Fence.Epoch == f.epoch ||
		f.has("a written record needs no epoch") && r.Fence.Epoch != [16]byte{}
	f.mu.Unlock()
	switch {
	case f.has("a fenced write evicts nothing") && !fresh && r.Fence.Epoch == f.epoch:
		return store.Fenced, nil
	case f.has("a refused write evicts nothing") && r.Fence.Epoch == [16]byte{}:
		return store.Refused, nil
	}
	if !f.has("a write lets fills go on") {
		f.evict("k", []string{key})
	}
	if len(tags) > 0 && !f.has("a write evicts no tags") {
		f.evict("t", tags)
	}
	switch {
	case r.Fence.Epoch == [16]byte{}:
		return store.Refused, nil
	case !fresh:
		return store.Fenced, nil
	case f.has("a write keeps nothing"):
		return store.Stored, nil
	}
	f.mu.Lock()
	r.Fence = f.fence()
	f.mu.Unlock()
	return f.Store(ctx, key, r)
}

func (f *fake) Evict(_ context.Context, tags ...string) error {
	if f.has("evicted later") {
		f.late.Go(func() {
			time.Sleep(time.Millisecond)
			f.evict("t", tags)
		})
		return nil
	}
	if f.has("only the first tag evicted") {
		tags = tags[:min(1, len(tags))]
	}
	f.evict("t", tags)
	return nil
}

func (f *fake) Delete(_ context.Context, keys ...string) error {
	if f.has("Delete only removes") {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, key := range keys {
			delete(f.records, key)
		}
		return nil
	}
	f.evict("k", keys)
	return nil
}

func (f *fake) evict(kind string, names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(names) == 0 && !f.has("evicting nothing evicts all") {
		return
	}
	if f.has("fills in flight ignored") || f.has("judged and kept apart") {
		f.removeCarrying(kind, names)
	}
	if f.has("fills in flight ignored") {
		return
	}
	f.clock++
	for _, n := range names {
		f.ticks[f.name(kind, n)] = f.clock
	}
	if f.has("every eviction evicts all") || len(names) == 0 {
		f.floor = f.clock
	}
	f.trim()
}

// removeCarrying does what an index from tags to records would do.
func (f *fake) removeCarrying(kind string, names []string) {
	maps.DeleteFunc(f.records, func(key string, r fakeRecord) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			return kind == "k" && n == key || kind == "t" && slices.Contains(r.Tags, n)
		})
	})
}

// trim forgets the older half of the ticks when there are too many.
func (f *fake) trim() {
	if len(f.ticks) <= f.room {
		return
	}
	ticks := slices.Sorted(maps.Values(f.ticks))
	floor := ticks[len(ticks)/2]
	maps.DeleteFunc(f.ticks, func(_ string, tick uint64) bool { return tick <= floor })
	if !f.has("the floor not raised") {
		f.floor = max(f.floor, floor)
	}
	if f.has("the oldest fence lost for good") {
		f.floor = f.clock + 1<<20
	}
}

func (f *fake) Check() error {
	if f.has("Check complains") {
		return errors.New("no reason")
	}
	return nil
}

func (f *fake) Close() error {
	f.late.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed && f.has("a second Close fails") {
		return errors.New("closed")
	}
	f.closed = true
	return nil
}
