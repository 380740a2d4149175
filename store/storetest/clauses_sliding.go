package storetest

import (
	"time"

	"github.com/echocache/echocache/store"
)

// slidings is what Record.Sliding promises.
var slidings = []clause{
	{"a sliding record that is looked up stays", func(p *probe) {
		p.slide("k", long, p.short)
		for range 4 {
			p.sleep(p.short / 2)
			p.hit("k", "v")
		}
	}},
	{"a sliding record that nobody looks up is gone", func(p *probe) {
		p.slide("k", long, p.short)
		p.slide("read", long, p.short)
		p.sleep(p.short * 3 / 4)
		p.hit("read", "v")
		p.sleep(p.short / 2)
		p.miss("k")
		p.hit("read", "v")
		p.sleep(p.short + grace)
		p.miss("read")
	}},
	{"a sliding record is gone when its TTL is over", func(p *probe) {
		p.slide("k", 2*p.short, p.short)
		for range 4 {
			p.sleep(p.short / 2)
			p.lookup("k")
		}
		p.sleep(grace)
		p.miss("k")
	}},
	{"the time left of a sliding record is its TTL's", func(p *probe) {
		p.slide("k", long, p.short)
		if left := p.hit("k", "v").Left; left <= p.short || left > long {
			p.breach("stored for %v, it has %v left", long, left)
		}
	}},
	{"a sliding record is evicted like any other", func(p *probe) {
		p.slide("k", long, p.short, "a")
		p.hit("k", "v")
		p.evict("a")
		p.miss("k")
	}},
	{"a negative Sliding is refused", func(p *probe) {
		r := store.Record{Value: []byte("v"), TTL: long, Sliding: -1, Fence: p.miss("k")}
		if v, _ := p.Store(p.ctx, "k", r); v != store.Refused {
			p.breach("Store = %v, want refused", v)
		}
		p.miss("k")
	}},
}

// slide stores "v" under key for ttl, and for window without a look-up.
func (p *probe) slide(key string, ttl, window time.Duration, tags ...string) {
	r := store.Record{Value: []byte("v"), Tags: tags, TTL: ttl, Sliding: window, Fence: p.lookup(key)[0].Fence}
	if v, err := p.Store(p.ctx, key, r); v != store.Stored {
		p.breach("Store(%q) = %v (error: %v), want stored", key, v, err)
	}
}
