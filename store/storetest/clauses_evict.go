package storetest

import "github.com/echocache/echocache/store"

// evictions is what happens to records that are there.
var evictions = []clause{
	{"an eviction forgets what carries its tag", func(p *probe) {
		p.put("k", "v", "a")
		p.put("l", "w", "b", "a")
		p.evict("a")
		p.miss("k")
		p.miss("l")
		p.miss("k") // and it does not come back
	}},
	{"an eviction leaves what does not carry its tag", func(p *probe) {
		p.put("k", "v", "a")
		p.put("l", "w")
		p.evict("b")
		p.remove("other")
		p.hit("k", "v")
		p.hit("l", "w")
	}},
	{"any one of a record's tags evicts it", func(p *probe) {
		tags := []string{"a", "b", "c", "d", "e"}
		for _, tag := range tags {
			p.put("k", "v", tags...)
			p.hit("k", "v")
			p.evict(tag)
			p.miss("k")
		}
	}},
	{"one eviction takes several tags", func(p *probe) {
		for _, tag := range []string{"a", "b", "c", "d"} {
			p.put("k:"+tag, tag, tag)
		}
		p.evict("a", "c", "unknown")
		p.miss("k:a")
		p.hit("k:b", "b")
		p.miss("k:c")
		p.hit("k:d", "d")
	}},
	{"tags are compared as a whole", func(p *probe) {
		for i, tag := range oddTags() {
			p.put(name("key", i), tag, tag)
		}
		for i, tag := range oddTags() {
			p.hit(name("key", i), tag)
			p.evict(tag)
			p.miss(name("key", i))
		}
	}},
	{"what is stored after an eviction stays", func(p *probe) {
		p.evict("a")
		p.put("k", "one", "a")
		p.hit("k", "one")
		p.evict("a")
		p.put("k", "two", "a")
		p.hit("k", "two")
	}},
	{"a later record has its own tags", func(p *probe) {
		p.put("k", "one", "a", "both")
		p.put("k", "two", "b", "both")
		p.evict("a")
		p.hit("k", "two")
		p.evict("b")
		p.miss("k")
	}},
	{"Delete forgets its keys", func(p *probe) {
		p.put("k", "v", "a")
		p.put("l", "w", "a")
		p.put("m", "x", "a")
		p.remove("k", "m", "unknown")
		p.miss("k")
		p.hit("l", "w")
		p.miss("m")
	}},
	{"what is stored after Delete stays", func(p *probe) {
		p.remove("k")
		p.put("k", "one", "a")
		p.remove("k")
		p.put("k", "two", "a")
		p.hit("k", "two")
	}},
	{"a key is not a tag", func(p *probe) {
		p.put("same", "v", "other")
		p.put("k", "w", "same")
		p.evict("same")
		p.hit("same", "v")
		p.miss("k")
		p.put("k", "w", "same")
		p.remove("same")
		p.miss("same")
		p.hit("k", "w")
	}},
	{"evicting nothing does nothing", func(p *probe) {
		f := p.miss("l")
		p.put("k", "v", "a")
		p.evict()
		p.remove()
		p.hit("k", "v")
		p.offer(store.Stored, "l", "w", long, f, "a")
	}},
}
