package storetest

import (
	"slices"

	"github.com/echocache/echocache/store"
)

// clauses is the contract, one promise a row.
var clauses = slices.Concat(basics, lifetimes, slidings, evictions, fences, refusals, ends, locals, replaces, hammers)

var basics = []clause{
	{"a good configuration passes Check", func(p *probe) {
		p.mustDo("Check", p.Check())
	}},
	{"a miss gives a fence and nothing else", func(p *probe) {
		p.miss("k")
		if left := p.lookup("k")[0].Left; left != 0 {
			p.breach("a miss has %v left", left)
		}
	}},
	{"what is stored is found", func(p *probe) {
		p.put("k", "v", "a", "b")
		p.hit("k", "v")
		p.hit("k", "v")
		p.miss("other")
	}},
	{"a record needs no tags and no value", func(p *probe) {
		p.put("k", "")
		p.hit("k", "")
	}},
	{"a later record replaces an earlier one", func(p *probe) {
		p.put("k", "one", "a")
		p.put("k", "two, and longer", "a")
		p.hit("k", "two, and longer")
	}},
	{"keys and values are bytes", func(p *probe) {
		for i, key := range oddNames() {
			p.put(key, oddNames()[i], "a")
		}
		for i, key := range oddNames() {
			p.hit(key, oddNames()[i])
		}
		p.evict("a")
		for _, key := range oddNames() {
			p.miss(key)
		}
	}},
	{"a large value comes back whole", func(p *probe) {
		value := make([]byte, 256<<10)
		for i := range value {
			value[i] = byte(i * i >> 8)
		}
		p.put("k", string(value), "a")
		p.hit("k", string(value))
	}},
	{"answers come in the order of the keys", inOrder},
	{"a look-up of nothing answers nothing", func(p *probe) {
		p.lookup()
	}},
}

func inOrder(p *probe) {
	var keys []string
	for i := range 100 {
		keys = append(keys, name("key", i*37%100))
		if i%3 != 0 {
			p.put(keys[i], "value of "+keys[i], "a")
		}
	}
	keys = append(keys, keys[1], keys[1], keys[0]) // the same one again is one more answer
	for i, found := range p.lookup(keys...) {
		p.alive(keys[i], found.Fence)
		want := "value of " + keys[i]
		switch n := i % 100; {
		case i >= 100 && keys[i] == keys[0], i < 100 && n%3 == 0:
			if found.Record != nil {
				p.breach("answer %d, for %q, is %q, want a miss", i, keys[i], found.Record.Value)
			}
		case found.Record == nil:
			p.breach("answer %d, for %q, is a miss", i, keys[i])
		case string(found.Record.Value) != want:
			p.breach("answer %d, for %q, is %q, want %q", i, keys[i], found.Record.Value, want)
		}
	}
}

// refusals is what must not be kept, whatever else is true.
var refusals = []clause{
	{"without a fence nothing is kept", func(p *probe) {
		p.miss("k")
		p.offer(store.Refused, "k", "v", long, store.Fence{}, "a")
		p.miss("k")
		p.offer(store.Refused, "k", "v", long, store.Fence{Tick: 1 << 40}, "a")
		p.miss("k")
	}},
	{"a fence of another epoch is fenced", func(p *probe) {
		f := p.miss("k")
		f.Epoch[3] ^= 1
		p.offer(store.Fenced, "k", "v", long, f, "a")
		f.Tick += 1 << 40
		p.offer(store.Fenced, "k", "v", long, f)
		p.miss("k")
	}},
	{"a TTL of zero is refused", func(p *probe) {
		p.offer(store.Refused, "k", "v", 0, p.miss("k"), "a")
		p.miss("k")
	}},
	{"a negative TTL is refused", func(p *probe) {
		p.offer(store.Refused, "k", "v", -1, p.miss("k"), "a")
		p.offer(store.Refused, "k", "v", -long, p.miss("k"), "a")
		p.miss("k")
	}},
}
