package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
)

// Property is the function Property for this harness.
func (h Harness) Property(t *testing.T) {
	t.Helper()
	h.inTime(t, func(t *testing.T) {
		t.Helper()
		h.property(reporter{t}, func() store.Backend { return h.Open(t) })
	})
}

// property is Property with somebody else to report to.
func (h Harness) property(t rapid.TB, open func() store.Backend) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		err := clause{"model", func(p *probe) { newModel(p).run(rt) }}.hold(open(), h.Sleep)
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// reporter hides the rest of testing.T from rapid, which would ask for a deadline; in a bubble there is none.
type reporter struct{ rapid.TB }

// model is what a backend has to answer, kept in the plainest way: every record, with the count of evictions at its
// fence, and for every tag and key the count at its last eviction.
type model struct {
	*probe

	now     time.Duration // what was slept
	count   int           // evictions so far
	evicted map[string]int
	records map[string]modelRecord
	fills   []modelFill
	stored  int // values so far, so that each is another
}

type modelRecord struct {
	value string
	tags  []string
	began int           // evictions when its fill began
	due   time.Duration // on the model's clock
	// window is for how long it is kept without being looked up, 0 = until due; idle is when that is over.
	window, idle time.Duration
}

// modelFill is a fill in flight.
type modelFill struct {
	key   string
	fence store.Fence
	began int
}

// The names are few, so that histories meet.
var (
	modelKeys = []string{"k0", "k1", "k2", "a"} // one of them is also a tag
	modelTags = []string{"a", "b", "c", "d"}
)

func newModel(p *probe) *model {
	return &model{probe: p, evicted: map[string]int{}, records: map[string]modelRecord{}}
}

func (m *model) run(rt *rapid.T) {
	rt.Repeat(map[string]func(*rapid.T){
		"look up": m.lookUp, "look up again": m.lookUp,
		"store": m.storeOne, "store again": m.storeOne,
		"evict": m.evictSome, "delete": m.deleteSome, "wait": m.wait, "replace": m.replaceOne,
	})
}

// lookUp asks for one or several keys and remembers the fences as fills that began now.
func (m *model) lookUp(rt *rapid.T) {
	keys := rapid.SliceOfN(rapid.SampledFrom(modelKeys), 1, 4).Draw(rt, "keys")
	for i, found := range m.lookup(keys...) {
		m.compare(keys[i], found)
		m.alive(keys[i], found.Fence)
		m.fills = append(m.fills, modelFill{keys[i], found.Fence, m.count})
	}
}

// compare insists that found is what the model has under key.
func (m *model) compare(key string, found store.Found) {
	want, stands := m.records[key]
	if want.window > 0 && want.idle <= m.now {
		stands = false
	}
	stands = stands && m.fresh(key, want.tags, want.began)
	left := want.due - m.now
	if stands && !m.exact && left <= m.short {
		// Its time runs while the test does: it may be there and may be gone.
		stands = found.Record != nil && left > 0
	}
	switch {
	case (!stands || left <= 0) && found.Record != nil:
		m.breach("Lookup(%q) found %q, want a miss: its fill began at %d, evictions %v, %v left",
			key, found.Record.Value, want.began, m.evicted, left)
	case !stands || left <= 0:
	case found.Record == nil:
		m.breach("Lookup(%q) is a miss, want %q", key, want.value)
	case string(found.Record.Value) != want.value:
		m.breach("Lookup(%q) found %q, want %q", key, found.Record.Value, want.value)
	case found.Left <= 0 || found.Left > left || m.exact && found.Left != left:
		m.breach("Lookup(%q): %v left, want %v", key, found.Left, left)
	default:
		want.idle = m.now + want.window
		m.records[key] = want
	}
}

// fresh reports whether a fill of key with tags that began at the count of evictions stands.
func (m *model) fresh(key string, tags []string, began int) bool {
	return m.evicted["key "+key] <= began && !slices.ContainsFunc(tags, func(tag string) bool {
		return m.evicted["tag "+tag] > began
	})
}

// storeOne ends one of the fills in flight, or ends it once more.
func (m *model) storeOne(rt *rapid.T) {
	if len(m.fills) == 0 {
		rt.Skip("no fill in flight")
	}
	f := rapid.SampledFrom(m.fills).Draw(rt, "fill")
	tags := rapid.SliceOfNDistinct(rapid.SampledFrom(modelTags), 0, 3, rapid.ID).Draw(rt, "tags")
	ttl := rapid.SampledFrom([]time.Duration{m.short, long}).Draw(rt, "ttl")
	m.stored++
	value := fmt.Sprint("v", m.stored)
	want := store.Fenced
	if m.fresh(f.key, tags, f.began) {
		want = store.Stored
		m.records[f.key] = modelRecord{value: value, tags: tags, began: f.began, due: m.now + ttl}
	}
	window := m.draw(rt, f.key, want)
	r := store.Record{Value: []byte(value), Tags: tags, TTL: ttl, Sliding: window, Fence: f.fence}
	if got, err := m.Store(m.ctx, f.key, r); got != want || err != nil {
		m.breach("Store(%.40q) = %v (error: %v), want %v", f.key, got, err, want)
	}
}

// draw gives a record that was just kept a window, or none. Where time is not exact there are none: a window cannot be
// told from the moment of the last look-up.
func (m *model) draw(rt *rapid.T, key string, kept store.Verdict) time.Duration {
	if !m.exact {
		return 0
	}
	window := rapid.SampledFrom([]time.Duration{0, 0, m.short / 2, m.short * 3}).Draw(rt, "window")
	if kept == store.Stored {
		r := m.records[key]
		r.window, r.idle = window, m.now+window
		m.records[key] = r
	}
	return window
}

// replaceOne writes a value whose writer looked the key up when one of the fills in flight began.
func (m *model) replaceOne(rt *rapid.T) {
	b, ok := store.As[store.Replacer](m.Backend)
	if !ok || len(m.fills) == 0 {
		rt.Skip("no fill in flight, or no Replace")
	}
	f := rapid.SampledFrom(m.fills).Draw(rt, "write")
	carried := rapid.SliceOfNDistinct(rapid.SampledFrom(modelTags), 0, 2, rapid.ID).Draw(rt, "carried")
	evicted := rapid.SliceOfN(rapid.SampledFrom(modelTags), 0, 2).Draw(rt, "evicted")
	m.stored++
	value := fmt.Sprint("v", m.stored)
	want := store.Fenced
	if m.fresh(f.key, carried, f.began) {
		want = store.Stored
	}
	m.note("key ", []string{f.key})
	m.count--
	m.note("tag ", evicted) // of the same moment
	if want == store.Stored {
		m.records[f.key] = modelRecord{value: value, tags: carried, began: m.count, due: m.now + long}
	}
	m.replace(b, want, f.key, value, f.fence, carried, evicted...)
}

func (m *model) evictSome(rt *rapid.T) {
	tags := rapid.SliceOfN(rapid.SampledFrom(modelTags), 1, 3).Draw(rt, "tags")
	m.evict(tags...)
	m.note("tag ", tags)
}

func (m *model) deleteSome(rt *rapid.T) {
	keys := rapid.SliceOfN(rapid.SampledFrom(modelKeys), 1, 2).Draw(rt, "keys")
	m.remove(keys...)
	m.note("key ", keys)
}

func (m *model) note(kind string, names []string) {
	m.count++
	for _, n := range names {
		m.evicted[kind+n] = m.count
	}
}

// wait lets time pass: until what was stored for a short time is over, or, where time is exact, only some of it.
func (m *model) wait(rt *rapid.T) {
	d := m.short + grace
	if m.exact {
		d = rapid.SampledFrom([]time.Duration{1, m.short / 2, m.short - 1, m.short}).Draw(rt, "d")
	}
	m.sleep(d)
	m.now += d
}
