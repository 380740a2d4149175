package growth_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// plain is Go's own map, for how much of a curve is the machine's memory.
type plain map[string]*struct{ body []byte }

func newPlain(n int) plain {
	m := make(plain, n)
	for i := range n {
		path := pagePath(i)
		m[path] = &struct{ body []byte }{[]byte(path)}
	}
	return m
}

func (m plain) walk(t *testing.T, paths []string) func(n int) {
	t.Helper()
	return walk(paths, func(path string) {
		if page := m[path]; page == nil || string(page.body) != path {
			t.Fatal(path)
		}
	})
}

func hitByPages(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("hit-pages", "pages", "one of them, again and again", "×", "any of them", "×", "a Go map, any of them", "×")
	policy := output.For(time.Hour).Tag("page:{id}")
	few := p.pages[0]
	small := newSite(t, policy, 0)
	defer small.close()
	small.fill(few)
	near := newPlain(few)
	for _, n := range p.pages {
		s := newSite(t, policy, 0)
		s.fill(n)
		one := p.compare(walk([]string{pagePath(7)}, s.visitor().get), walk([]string{pagePath(7)}, small.visitor().get))
		paths := draw(n)
		all, drawn := walk(paths, s.visitor().get), walk(draw(few), small.visitor().get)
		all(len(paths)) // the first hit of a page decodes it
		drawn(few)
		each := p.compare(all, drawn)
		s.filled(n)
		s.close()
		floor := p.compare(newPlain(n).walk(t, paths), near.walk(t, draw(few)))
		out.row(count(n), ns(one.each), times(one.ratio), ns(each.each), times(each.ratio), ns(floor.each), times(floor.ratio))
		p.flat(t, "a hit of one page among many", one.ratio)
		b.figures["hit"] = one.each
		b.figures["hit any"] = each.each
	}
	small.filled(few)
}

func hitByVariants(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("hit-variants", "variants of one page", "a hit of any of them", "×")
	site, walks := map[int]*site{}, map[int]func(int){}
	for _, n := range p.variants {
		s := newSite(t, output.For(time.Hour).VaryHeader("Accept-Language"), 0)
		defer s.close()
		v := s.visitor()
		languages := make([]string, n)
		for i := range languages {
			languages[i] = "x-" + strconv.Itoa(i)
		}
		site[n], walks[n] = s, walk(languages, func(language string) {
			v.r.Header["Accept-Language"] = []string{language}
			v.get(pagePath(1))
		})
		walks[n](n)
	}
	for _, n := range p.variants {
		c := p.compare(walks[n], walks[p.variants[0]])
		site[n].filled(n)
		out.row(count(n), ns(c.each), times(c.ratio))
	}

	out = b.open("hit-inputs", "headers that the policy varies on", "a hit", "×")
	var none func(int)
	for _, n := range []int{0, 1, 2, 4, 8} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprint("X-Input-", i)
		}
		s := newSite(t, output.For(time.Hour).VaryHeader(names...), 0)
		defer s.close()
		v := s.visitor()
		for i := range 8 { // all requests have all headers
			v.r.Header.Set(fmt.Sprint("X-Input-", i), "a value")
		}
		ask := walk([]string{pagePath(1)}, v.get)
		if ask(1); n == 0 {
			none = ask
		}
		c := p.compare(ask, none)
		s.filled(1)
		out.row(count(n), ns(c.each), times(c.ratio))
	}
}

func hitByTags(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("hit-tags", "tags of the page", "a hit", "×", "a hit after an eviction of something else, with that eviction", "×")
	var quiet, busy func(int)
	for _, n := range []int{0, 1, 4, 16, 61} { // three more are the cache's own
		tags := make([]string, n)
		for i := range tags {
			tags[i] = fmt.Sprint("tag:", i)
		}
		s := newSite(t, output.For(time.Hour).Tag(tags...), 0)
		defer s.close()
		get := s.visitor().get
		ask := walk([]string{pagePath(1)}, get)
		disturbed := walk([]string{pagePath(1)}, func(path string) {
			_ = s.memory.Evict(t.Context(), "other")
			get(path)
		})
		if ask(1); n == 0 {
			quiet, busy = ask, disturbed
		}
		calm, after := p.compare(ask, quiet), p.compare(disturbed, busy)
		s.filled(1)
		out.row(count(n), ns(calm.each), times(calm.ratio), ns(after.each), times(after.ratio))
		p.flat(t, "a hit of a page with many tags", calm.ratio)
	}
}
