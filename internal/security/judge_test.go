package security_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// verdict collects what is wrong with a scene.
type verdict struct {
	*scene
	faults []string
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// judge holds a scene against everything that its case expects.
func (s *scene) judge() []string {
	v := &verdict{scene: s}
	for i, all := range s.answers {
		for _, a := range all {
			if a.err != nil {
				v.fault("request %d: %v", i+1, a.err)
			}
		}
	}
	for _, e := range s.attack.Expect {
		for _, n := range e.Transparent {
			for i := range s.answers {
				if n == -1 || n == i+1 {
					v.transparent(i)
				}
			}
		}
		at := len(s.answers)
		if e.Req > 0 {
			at = e.Req
		}
		for _, a := range s.answers[at-1] {
			v.answer(at, a, e)
			v.headers(at, a, e)
		}
		v.counts(at, e)
		v.stores(e)
		v.rest(e)
	}
	return v.faults
}

// transparent is the oracle: an answer is right if the application without a cache says the same. Whatever went through the
// cache may instead be what it says to a request without those headers that the policy does not declare, and with its
// parameters in order: the rest was hidden from the handler, and nobody but who sent it can notice.
func (v *verdict) transparent(i int) {
	r := v.attack.Requests[i]
	for n, got := range v.answers[i] {
		want := v.twin(r, n)
		if same(got, want) == "" {
			continue
		}
		if passed := strings.Contains(got.header.Get("Cache-Status"), "fwd=bypass"); passed || r.Raw != "" {
			v.fault("request %d: it passed by the cache: %s", i+1, same(got, want))
			continue
		}
		if d := same(got, v.twin(strip(r, v.attack.declared()), n)); d != "" {
			v.fault("request %d: %s", i+1, d)
		}
	}
}

// ours are the fields that a cache may add, and those that say when.
var ours = []string{"Age", "Date", "Etag", "Cache-Status", "Cache-Control", "Content-Length", "Transfer-Encoding"}

// same returns how two answers differ, or "".
func same(got, want answer) string {
	if got.status != want.status || got.body != want.body || got.size != want.size {
		return fmt.Sprintf("%d %.80q, without a cache %d %.80q", got.status, got.body, want.status, want.body)
	}
	for _, side := range []http.Header{got.header, want.header} {
		for name := range side {
			if !slices.Contains(ours, name) && !slices.Equal(got.header[name], want.header[name]) {
				return fmt.Sprintf("%s: %q, without a cache %q", name, got.header[name], want.header[name])
			}
		}
	}
	return ""
}

func (v *verdict) answer(at int, a answer, e expected) {
	if e.Status != 0 && a.status != e.Status {
		v.fault("request %d: status %d, want %d", at, a.status, e.Status)
	}
	if len(e.StatusIn) > 0 && !slices.Contains(e.StatusIn, a.status) {
		v.fault("request %d: status %d, want one of %d", at, a.status, e.StatusIn)
	}
	if e.Body != nil && a.body != *e.Body {
		v.fault("request %d: %.80q, want %.80q", at, a.body, *e.Body)
	}
	if !strings.Contains(a.body, e.Contains) {
		v.fault("request %d: %.80q lacks %q", at, a.body, e.Contains)
	}
	if e.NotContains != "" && strings.Contains(a.body, e.NotContains) {
		v.fault("request %d: %.80q has %q", at, a.body, e.NotContains)
	}
	if e.Length != 0 && a.size != e.Length {
		v.fault("request %d: %d bytes, want %d", at, a.size, e.Length)
	}
}

func (v *verdict) headers(at int, a answer, e expected) {
	check := func(want map[string]string, what string, ok func(have, want string) bool) {
		for name, text := range want {
			if have := strings.Join(a.header.Values(name), ", "); !ok(have, text) {
				v.fault("request %d: %s: %q %s %q", at, name, have, what, text)
			}
		}
	}
	check(e.Header, "is not", func(have, want string) bool { return have == want })
	check(e.HeaderHas, "lacks", strings.Contains)
	check(e.HeaderHasNot, "has", func(have, want string) bool { return !strings.Contains(have, want) })
	check(e.HeaderMatches, "does not match", func(have, want string) bool {
		return regexp.MustCompile(want).MatchString(have)
	})
	for name, other := range e.HeaderDiffers {
		if have := a.header.Get(name); have == "" || have == v.answers[other-1][0].header.Get(name) {
			v.fault("request %d: %s: %q, as of request %d", at, name, have, other)
		}
	}
	for _, name := range e.NoHeader {
		if have := a.header.Values(name); len(have) > 0 {
			v.fault("request %d: %s: %q", at, name, have)
		}
	}
	for _, name := range e.HeaderPresent {
		// What a case calls X-Cache-Evict is in statistics here: the client of a write can do nothing about it.
		if name != "X-Cache-Evict" {
			v.fault("header_present: %s is not known", name)
		} else if n := v.last(); n.cache == nil || n.cache.Outputs().Stats().Unproven == 0 {
			v.fault("request %d: nobody is told that the eviction is not confirmed", at)
		}
	}
}

func (s *scene) last() *node {
	if len(s.nodes) == 0 {
		return &node{}
	}
	return s.nodes[len(s.nodes)-1]
}

func (v *verdict) counts(at int, e expected) {
	for name, want := range e.Calls {
		if got := v.calls[at-1][name]; got != want {
			v.fault("after request %d: %s ran %d times, want %d", at, name, got, want)
		}
	}
	for name, most := range e.CallsMax {
		if got := v.calls[at-1][name]; got > most {
			v.fault("after request %d: %s ran %d times, want %d at most", at, name, got, most)
		}
	}
	if e.FirstByte != "" && v.app.early.Load() != int64(len(v.answers)) {
		v.fault("%d of %d streams reached their clients before their end", v.app.early.Load(), len(v.answers))
	}
	if e.CrossUser != nil {
		seen, shared := map[string]int{}, 0
		for i, a := range v.answers[0] {
			if other, is := seen[a.body]; is {
				shared++
				v.fault("users %d and %d both got %.80q", other, i, a.body)
			}
			seen[a.body] = i
		}
		if shared != *e.CrossUser {
			v.fault("%d answers of others", shared)
		}
	}
}

// stores judges what is kept. Budgets are smaller where the everyday run asks less often.
func (v *verdict) stores(e expected) {
	if e.StoreHasNot != "" && v.stand.held.contains(e.StoreHasNot) {
		v.fault("%q is in the store", e.StoreHasNot)
	}
	for _, most := range []int{e.EntriesMax, e.VariantsMax} {
		if n := len(v.stand.held.keys()); most > 0 && n > most {
			v.fault("%d entries, want %d at most", n, most)
		}
	}
	if e.StoreBytes > 0 {
		most := e.StoreBytes / int64(v.attack.scale())
		if local := v.last().process; local != nil && local.local != nil {
			if n := local.local.Stats().Bytes; n > most {
				v.fault("%d bytes in memory, want %d at most", n, most)
			}
		}
		if v.stand.client != nil {
			// A server is bounded by its own setting, which was made for this: it has to be left alone there.
			if n := v.stand.usage(v.stand.names()); n > most+4<<20 {
				v.fault("%d bytes at the server, want %d at most", n, most+4<<20)
			}
		}
	}
	if v.stand.client == nil {
		return
	}
	if e.KeyBytes > 0 {
		names := v.stand.names()
		for _, name := range names {
			if len(name) > e.KeyBytes {
				v.fault("a key of %d bytes at the server", len(name))
			}
		}
		if len(names) == 0 {
			v.fault("nothing at the server")
		}
	}
	if e.FenceBytes > 0 {
		fences := slices.DeleteFunc(v.stand.names(), func(name string) bool { return strings.Contains(name, "}:k:") })
		n := v.stand.usage(fences)
		v.tb.Logf("%s: %d bytes of fences", v.attack.ID, n)
		if n > e.FenceBytes || n == 0 {
			v.fault("%d bytes of fences, want %d at most", n, e.FenceBytes)
		}
	}
}

func (v *verdict) rest(e expected) {
	if e.HeapBytes > 0 && v.heap > e.HeapBytes {
		v.fault("the heap has grown by %d bytes, want %d at most", v.heap, e.HeapBytes)
	}
	switch n := v.last(); {
	case e.Metric == "":
	case e.Metric != "corrupt_entries>=1":
		v.fault("metric %q is not known", e.Metric)
	case n.cache == nil || n.remote == nil || n.cache.Outputs().Stats().Damaged+n.remote.Info().Damaged == 0:
		v.fault("nobody has counted a damaged entry")
	}
	if e.Forged == nil {
		return
	}
	forged, all := v.stand.log.forged()
	if forged != *e.Forged {
		v.fault("%d entries of the log are forged", forged)
	}
	if all == 0 && v.stand.server != nil {
		v.fault("nothing was logged, so nothing was shown")
	}
}
