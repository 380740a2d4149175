package storetest

import (
	"math"
	"time"

	"github.com/echocache/echocache/store"
)

// grace is how much later than its TTL a record is checked to be gone where time is not the test's own.
const grace = 100 * time.Millisecond

// lifetimes is what the TTL promises.
var lifetimes = []clause{
	{"a record has at most its TTL left", func(p *probe) {
		p.offer(store.Stored, "k", "v", long, p.miss("k"), "a")
		if left := p.hit("k", "v").Left; left > long || left < long-time.Minute || p.exact && left != long {
			p.breach("just stored for %v, it has %v left", long, left)
		}
	}},
	{"the time left runs down", func(p *probe) {
		p.offer(store.Stored, "k", "v", long, p.miss("k"), "a")
		p.sleep(p.short)
		if left := p.hit("k", "v").Left; left > long-p.short || p.exact && left != long-p.short {
			p.breach("stored for %v and %v later it has %v left", long, p.short, left)
		}
	}},
	{"a record is gone when its TTL is over", func(p *probe) {
		p.offer(store.Stored, "k", "v", p.short, p.miss("k"), "a")
		p.offer(store.Stored, "longer", "v", long, p.miss("longer"), "a")
		if p.exact {
			p.sleep(p.short - 1)
			p.hit("k", "v")
			p.sleep(1)
		} else {
			p.sleep(p.short + grace)
		}
		p.miss("k")
		p.hit("longer", "v")
	}},
	{"reading a record does not prolong it", func(p *probe) {
		p.offer(store.Stored, "k", "v", p.short, p.miss("k"), "a")
		for range 4 {
			p.sleep(p.short / 4)
			p.lookup("k")
		}
		p.sleep(grace)
		p.miss("k")
	}},
	{"a later record has its own TTL, longer", func(p *probe) {
		p.offer(store.Stored, "k", "one", p.short, p.miss("k"), "a")
		p.put("k", "two", "a")
		p.sleep(p.short + grace)
		p.hit("k", "two")
	}},
	{"a later record has its own TTL, shorter", func(p *probe) {
		p.put("k", "one", "a")
		p.offer(store.Stored, "k", "two", p.short, p.hit("k", "one").Fence, "a")
		p.sleep(p.short + grace)
		p.miss("k")
	}},
	{"the TTL begins when a record is stored", func(p *probe) {
		f := p.miss("k")
		p.sleep(p.short * 2)
		p.offer(store.Stored, "k", "v", p.short, f, "a")
		p.hit("k", "v")
	}},
	{"expiry does not lose what was evicted", func(p *probe) {
		f := p.miss("k")
		p.offer(store.Stored, "k", "one", p.short, f, "a")
		p.evict("a")
		p.sleep(p.short + grace)
		p.offer(store.Fenced, "k", "two", long, f, "a")
		p.miss("k")
	}},
	{"the longest TTL does not wrap round", func(p *probe) {
		p.sleep(p.short) // so that the clock does not stand at zero
		p.offer(store.Stored, "k", "v", math.MaxInt64, p.miss("k"), "a")
		p.sleep(p.short)
		p.hit("k", "v")
	}},
}
