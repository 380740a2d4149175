package storetest

import "github.com/echocache/echocache/store"

// locals is what a backend with the ability store.Local promises besides. The others pass unasked.
var locals = []clause{
	local("Peek finds what Lookup finds", func(p *probe, l store.Local) {
		p.peekMiss(l, "k")
		p.put("k", "v", "a")
		p.peek(l, "k", "v")
		p.put("k", "w", "a")
		p.peek(l, "k", "w")
		p.evict("other")
		p.peek(l, "k", "w")
		p.peekMiss(l, "l")
		p.put("", "empty", "a")
		p.peek(l, "", "empty")
	}),
	local("Peek does not find what is evicted", func(p *probe, l store.Local) {
		p.put("k", "v", "a", "b")
		p.evict("b")
		p.peekMiss(l, "k")
		p.put("k", "v", "a")
		p.remove("k")
		p.peekMiss(l, "k")
	}),
	local("Peek does not find what is expired", func(p *probe, l store.Local) {
		p.offer(store.Stored, "k", "v", p.short, p.miss("k"), "a")
		p.sleep(p.short + grace)
		p.peekMiss(l, "k")
	}),
	local("Peek finds nothing after Close", func(p *probe, l store.Local) {
		p.put("k", "v", "a")
		p.mustDo("Close", p.Close())
		p.peekMiss(l, "k")
	}),
	local("Peek keeps nothing of the key", func(p *probe, l store.Local) {
		p.put("key", "v", "a")
		key := []byte("key")
		held, _, ok := l.Peek(key)
		copy(key, "xxx")
		if !ok || string(held.Record().Value) != "v" {
			p.breach("Peek does not find what is there")
		}
		p.peekMiss(l, "xxx")
		p.peek(l, "key", "v")
		p.evict("a")
		key = []byte("key") // the look-up that meets what is evicted may drop it
		l.Peek(key)
		copy(key, "xxx")
		p.peekMiss(l, "key")
		p.put("key", "w", "a")
		p.peek(l, "key", "w")
	}),
	local("a view stays with its record and goes with it", func(p *probe, l store.Local) {
		p.put("k", "v", "a")
		held := p.peek(l, "k", "v")
		if view := held.View(); view != nil {
			p.breach("a new record has the view %v", view)
		}
		form := new(int)
		held.SetView(form, 8)
		if view := p.peek(l, "k", "v").View(); view != form {
			p.breach("View = %v, want what SetView was given", view)
		}
		held.SetView("another", 8)
		if view := p.peek(l, "k", "v").View(); view != "another" {
			p.breach("View = %v, want what SetView was given last", view)
		}
		p.put("k", "w", "a")
		if view := p.peek(l, "k", "w").View(); view != nil {
			p.breach("a later record has the earlier one's view %v", view)
		}
		held.SetView("late", 8) // of the record that is gone
		if view := p.peek(l, "k", "w").View(); view != nil {
			p.breach("a later record has the earlier one's view %v", view)
		}
	}),
}

func local(name string, check func(p *probe, l store.Local)) clause {
	return clause{name, func(p *probe) {
		if l, ok := store.As[store.Local](p.Backend); ok {
			check(p, l)
		}
	}}
}

func (p *probe) peek(l store.Local, key, value string) store.Held {
	held, left, ok := l.Peek([]byte(key))
	switch {
	case !ok:
		p.breach("Peek(%.40q) finds nothing, want %.40q", key, value)
	case string(held.Record().Value) != value:
		p.breach("Peek(%.40q) found %.40q, want %.40q", key, held.Record().Value, value)
	case left <= 0:
		p.breach("Peek(%.40q): %v left on a hit", key, left)
	}
	return held
}

func (p *probe) peekMiss(l store.Local, key string) {
	if held, _, ok := l.Peek([]byte(key)); ok {
		p.breach("Peek(%.40q) found %.40q, want nothing", key, held.Record().Value)
	}
}
