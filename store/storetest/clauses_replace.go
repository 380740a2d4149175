package storetest

import "github.com/echocache/echocache/store"

// replaces is what a backend with the ability store.Replacer promises besides. The others pass unasked.
var replaces = []clause{
	replacer("Replace keeps the record", func(p *probe, b store.Replacer) {
		p.put("k", "old", "a")
		p.replace(b, store.Stored, "k", "new", p.hit("k", "old").Fence, []string{"a"}, "a")
		p.hit("k", "new")
		p.evict("a")
		p.miss("k")
	}),
	replacer("Replace evicts its tags", func(p *probe, b store.Replacer) {
		p.put("page", "of the old value", "a")
		p.put("list", "of the old value", "b")
		p.put("other", "v", "c")
		p.replace(b, store.Stored, "k", "new", p.miss("k"), []string{"a"}, "a", "b")
		p.miss("page")
		p.miss("list")
		p.hit("other", "v")
		p.hit("k", "new")
	}),
	replacer("Replace beats fills in flight", func(p *probe, b store.Replacer) {
		f, page := p.miss("k"), p.miss("page")
		p.replace(b, store.Stored, "k", "new", p.miss("k"), nil, "a")
		p.offer(store.Fenced, "k", "old", long, f)
		p.offer(store.Fenced, "page", "of the old value", long, page, "a")
		p.hit("k", "new")
	}),
	replacer("of two writers at once neither is believed", func(p *probe, b store.Replacer) {
		one, two := p.miss("k"), p.miss("k")
		p.replace(b, store.Stored, "k", "two", two, nil)
		p.replace(b, store.Fenced, "k", "one", one, nil)
		p.miss("k")
	}),
	replacer("a fenced Replace evicts all the same", func(p *probe, b store.Replacer) {
		f := p.miss("k")
		p.evict("a")
		p.put("k", "older", "b")
		p.put("page", "of the old value", "c")
		fill := p.miss("l")
		p.replace(b, store.Fenced, "k", "new", f, []string{"a"}, "c")
		p.miss("k")
		p.miss("page")
		p.offer(store.Fenced, "l", "of the old value", long, fill, "c")
	}),
	replacer("Delete comes between as Replace does", func(p *probe, b store.Replacer) {
		f := p.miss("k")
		p.remove("k")
		p.replace(b, store.Fenced, "k", "new", f, nil)
		p.miss("k")
	}),
	replacer("a refused Replace evicts all the same", func(p *probe, b store.Replacer) {
		p.put("k", "old")
		p.put("page", "of the old value", "a")
		p.replace(b, store.Refused, "k", "new", store.Fence{}, nil, "a")
		p.miss("k")
		p.miss("page")
	}),
	replacer("Replace knows other epochs", func(p *probe, b store.Replacer) {
		f := p.miss("k")
		f.Epoch[5] ^= 1
		p.replace(b, store.Fenced, "k", "new", f, nil)
		p.miss("k")
	}),
}

func replacer(name string, check func(p *probe, b store.Replacer)) clause {
	return clause{name, func(p *probe) {
		if b, ok := store.As[store.Replacer](p.Backend); ok {
			check(p, b)
		}
	}}
}

// replace writes value under key and insists on the verdict, and on confirmed evictions.
func (p *probe) replace(
	b store.Replacer, want store.Verdict, key, value string, f store.Fence, carried []string, evicted ...string,
) {
	got, err := b.Replace(p.ctx, key, store.Record{Value: []byte(value), Tags: carried, TTL: long, Fence: f}, evicted...)
	p.mustDo("Replace", err)
	if got != want {
		p.breach("Replace(%.40q) = %v, want %v", key, got, want)
	}
}
