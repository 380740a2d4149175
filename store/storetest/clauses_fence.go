package storetest

import (
	"slices"

	"github.com/echocache/echocache/store"
)

// forgetful is how many other evictions a backend is put through to make it forget one: more than a table of 65,536.
const forgetful = 70_000

// fences is what happens to fills that are under way (I-1).
var fences = []clause{
	{"an eviction beats a fill in flight", func(p *probe) {
		f := p.miss("k")
		p.evict("a")
		p.offer(store.Fenced, "k", "old", long, f, "a")
		p.miss("k")
		p.offer(store.Fenced, "k", "old", long, f, "b", "a") // and does so every time
		p.miss("k")
	}},
	{"an eviction of any tag beats a fill in flight", func(p *probe) {
		for _, tag := range []string{"a", "b", "c", "d", "e"} {
			f := p.miss("k")
			p.evict(tag)
			p.offer(store.Fenced, "k", "old", long, f, "a", "b", "c", "d", "e")
			p.miss("k")
		}
	}},
	{"a fill in flight does not mind other evictions", func(p *probe) {
		f := p.miss("k")
		for i := range 100 {
			p.evict(name("other", i))
			p.remove(name("other key", i))
		}
		p.offer(store.Stored, "k", "v", long, f, "a")
		p.hit("k", "v")
	}},
	{"Delete beats a fill in flight", func(p *probe) {
		f, g := p.miss("k"), p.miss("l")
		p.remove("k")
		p.offer(store.Fenced, "k", "old", long, f, "a")
		p.offer(store.Stored, "l", "v", long, g, "a")
		p.miss("k")
		p.hit("l", "v")
	}},
	{"Delete beats a fill in flight over a record", func(p *probe) {
		p.put("k", "one", "a")
		f := p.hit("k", "one").Fence
		p.remove("k")
		p.offer(store.Fenced, "k", "two", long, f, "a")
		p.miss("k")
	}},
	{"a hit gives a fence for a refresh", func(p *probe) {
		p.put("k", "one", "a")
		p.evict("b")
		f := p.hit("k", "one").Fence
		p.offer(store.Stored, "k", "two", long, f, "b", "a")
		p.hit("k", "two")
		f = p.hit("k", "two").Fence
		p.evict("a")
		p.offer(store.Fenced, "k", "three", long, f, "a")
		p.miss("k")
	}},
	{"a fenced fill leaves what came after the eviction", func(p *probe) {
		late := p.miss("k")
		p.evict("a")
		p.put("k", "new", "a")
		p.offer(store.Fenced, "k", "old", long, late, "a")
		p.hit("k", "new")
	}},
	{"a record is judged by its fence, not by when it was stored", func(p *probe) {
		f := p.miss("k")
		p.evict("other")
		p.put("l", "w", "a") // so that the newest fence is newer than f
		p.offer(store.Stored, "k", "v", long, f, "a")
		p.hit("k", "v")
		p.evict("a")
		p.miss("k")
		p.miss("l")
	}},
	{"several fills in flight are told apart", severalInFlight},
	{"a fence serves more than one fill", func(p *probe) {
		f := p.miss("k")
		p.offer(store.Stored, "k", "one", long, f, "a")
		p.offer(store.Stored, "k", "two", long, f, "a")
		p.hit("k", "two")
	}},
	{"one look-up of several keys fences all of them", func(p *probe) {
		found := p.lookup("k", "l", "m")
		p.evict("a")
		p.remove("m")
		p.offer(store.Fenced, "k", "v", long, found[0].Fence, "a")
		p.offer(store.Stored, "l", "w", long, found[1].Fence, "b")
		p.offer(store.Fenced, "m", "x", long, found[2].Fence, "b")
	}},
	{"an eviction is not forgotten, however many follow", outlived},
}

// severalInFlight starts a fill after each of several evictions and finishes them in the wrong order.
func severalInFlight(p *probe) {
	tags := []string{"a", "b", "c", "d"}
	var started []store.Fence
	for i, tag := range tags {
		started = append(started, p.miss(name("key", i)))
		p.evict(tag)
	}
	for i, f := range slices.Backward(started) {
		for j, tag := range tags {
			want := store.Stored
			if j >= i { // evicted after this fill began
				want = store.Fenced
			}
			p.offer(want, name("key", i), tag, long, f, tag)
		}
	}
}

// outlived evicts so much that no table can hold it all. What is forgotten has to be made up for.
func outlived(p *probe) {
	p.put("k", "v", "a")
	f := p.miss("l")
	g := p.miss("m")
	p.evict("a")
	p.remove("m")
	tags := make([]string, 0, 100)
	for i := range forgetful {
		tags = append(tags, name("other", i))
		if len(tags) == cap(tags) {
			p.evict(tags...)
			tags = tags[:0]
		}
	}
	p.offer(store.Fenced, "l", "w", long, f, "a")
	p.offer(store.Fenced, "m", "x", long, g, "b")
	p.miss("k")
	p.miss("l")
	p.miss("m")
	p.put("k", "v", "a")
	p.hit("k", "v")
}
