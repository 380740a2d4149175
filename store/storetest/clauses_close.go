package storetest

import (
	"sync"

	"github.com/echocache/echocache/store"
)

// ends is what Close promises. That no goroutine is left is seen by the bubble.
var ends = []clause{
	{"after Close nothing is found and nothing kept", func(p *probe) {
		p.put("k", "v", "a")
		f := p.miss("l")
		p.mustDo("Close", p.Close())
		p.closed(f, "k", "l", "m")
	}},
	{"Close may be called again", func(p *probe) {
		f := p.miss("k")
		for range 3 {
			p.mustDo("Close", p.Close())
		}
		p.closed(f, "k")
	}},
	{"Close may be called in the middle of things", func(p *probe) {
		f := p.miss("k")
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 200 {
					key := name("key", j%5)
					_, _ = p.Store(p.ctx, key, store.Record{Value: []byte("v"), Tags: []string{"a"}, TTL: long, Fence: f})
					_, _ = p.Lookup(p.ctx, key)
					_ = p.Evict(p.ctx, "b")
					if i < 2 && j == 100 {
						_ = p.Close()
					}
				}
			})
		}
		wg.Wait()
		p.closed(f, "key:0", "key:1", "key:2", "key:3", "key:4")
	}},
}

// closed insists that the backend is.
func (p *probe) closed(f store.Fence, keys ...string) {
	for i, found := range p.lookup(keys...) {
		if found.Record != nil {
			p.breach("after Close %q is found under %q", found.Record.Value, keys[i])
		}
		if found.Fence != (store.Fence{}) {
			p.breach("after Close a look-up gives the fence %v, want a zero one", found.Fence)
		}
	}
	p.offer(store.Refused, keys[0], "v", long, f, "a")
	p.lookup(keys...)
}
