package output

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/echocache/echocache/internal/mark"
	"github.com/echocache/echocache/store"
)

// Mount is a policy mounted on one or more routes of a door: the policy with everything computed that does not depend
// on the request. Its methods may be called concurrently.
type Mount struct {
	cache    *Cache
	policy   Policy
	door     Door
	tags     []Template
	prefix   []byte   // of every key
	control  []string // Cache-Control of an answer whose handler sets none
	compress bool     // the policy's
	observed bool     // somebody wants to hear of hits
	bypassed map[string][]string

	nested atomic.Bool // some route is in inner
	inner  sync.Map    // route pattern → struct{}: an inner policy decides there
}

// Mount prepares a policy for a door. It fails on an invalid policy, and on one that wants to know what the door
// cannot tell.
func (c *Cache) Mount(p Policy, d Door) (*Mount, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	p = p.withDefaults()
	if p.perUser && !d.Identified {
		return nil, errors.New("output: policy: PerUser needs Config.User, which says who is asking")
	}
	for _, name := range p.values {
		if !slices.Contains(d.Values, name) {
			return nil, fmt.Errorf("output: policy: VaryValue(%q): Config.Values has no function of this name", name)
		}
	}
	tags, err := ParseTemplates(p.tags...)
	if err != nil {
		return nil, err
	}
	if d.IgnoreCookies == nil {
		d.IgnoreCookies = defaultIgnoreCookies
	}
	if d.PerClient == nil {
		d.PerClient = DefaultPerClient()
	}
	selects := p.anyFleet()
	m := &Mount{
		cache: c, policy: p, door: d, tags: tags,
		prefix:   keyPrefix(c.store.Namespace(), c.config.Name, c.config.Version, &selects),
		control:  []string{"no-cache"},
		compress: p.compress,
		bypassed: make(map[string][]string, len(reasons)),
	}
	if p.perUser {
		m.control = []string{"private, no-cache"}
	}
	_, nobody := c.config.Observer.(NopObserver)
	m.observed = !nobody
	for _, reason := range reasons {
		if status := c.status.forwarded(forwardWord(reason), reason, ""); status != "" {
			m.bypassed[reason] = []string{status}
		}
	}
	return m, nil
}

// Policy returns the policy, with its defaults filled in.
func (m *Mount) Policy() Policy { return m.policy }

// PerUser reports whether the policy keeps a page for each user, so that nothing it answers is for a shared cache.
func (m *Mount) PerUser() bool { return m.policy.perUser }

// Serve answers one request: from the cache, from another request's fill, by a fill of its own, or by letting it
// pass. w is the framework's response. The error is the handler's, [ErrOverload], or that of a client that left.
func (m *Mount) Serve(w http.ResponseWriter, r *http.Request, x Exchange) error {
	if m.nested.Load() {
		if _, yes := m.inner.Load(x.Route()); yes {
			return x.Next(r)
		}
	}
	if at := r.Context().Value(mark.Key{}); at != nil {
		if probe, is := at.(*mark.Probe); is {
			m.examined(probe, x)
			return nil
		}
		if outer, is := at.(*Fill); is && !outer.aside.Load() {
			r = outer.meet(w, r)
			x.Reveal(r)
		}
	}
	if m.policy.off {
		return m.bypass(w, r, x, reasonPolicyOff, "")
	}
	if !m.cache.enabled.Load() {
		return m.bypass(w, r, x, reasonOff, "")
	}
	route := x.Route()
	t, user, reason, more := m.refuse(r, x, route)
	if reason != "" {
		return m.bypass(w, r, x, reason, more)
	}
	s := x.Scratch()
	if reason = m.appendKey(s, r, x, route, x.Scheme(t.has(forwarded)), user); reason != "" {
		return m.bypass(w, r, x, reason, "")
	}
	p, left := m.peek(s.key)
	if p != nil && left > 0 {
		m.hit(r, x, p, left, "memory")
		s.life = life{left, p.capped != nil, true}
		err := m.replay(w, r, t, p, &p.fields, left, m.cache.sources.memory)
		s.life = life{}
		return err
	}
	return m.missed(s, w, r, x, t, user, p, left)
}

// missed answers a request for which memory has no fresh page; p is the stale one, or nil. It is apart so that a hit does
// not pay for its variables.
func (m *Mount) missed(
	s *Scratch, w http.ResponseWriter, r *http.Request, x Exchange, t traits, user string, p *page, left time.Duration,
) error {
	during := refreshOf(r.Context())
	q := &request{
		Mount: m, w: w, r: r, x: x, traits: t, user: user, during: during,
		key: string(s.key), query: m.policy.canonicalQuery(r.URL.RawQuery, &s.segments),
	}
	switch {
	case q.renews():
		return q.renew()
	case during != nil && during.mount == m:
		during.because(reasonOtherKey)
		return nil
	case p != nil && q.servesStale(left):
		return q.answerStale(p, left, "memory", m.cache.sources.memory)
	}
	return q.miss()
}

// bypass lets a request pass and says why.
func (m *Mount) bypass(w http.ResponseWriter, r *http.Request, x Exchange, reason, more string) error {
	if during := refreshOf(r.Context()); during != nil && during.mount == m {
		during.because(reason)
		return nil // nobody waits for the answer, and it would not be kept
	}
	status := m.bypassed[reason]
	if more != "" && status != nil {
		status = []string{m.cache.status.forwarded(forwardWord(reason), reason, more)}
	}
	if status != nil {
		addStatus(w.Header(), status)
	}
	n := m.cache.counters
	n.bypassed.Add(1)
	n.because(reason)
	m.cache.config.Observer.Bypassed(Event{Cache: m.cache.config.Name, Route: x.Route(), Method: r.Method, Reason: reason})
	return x.Next(r)
}

// peek looks a key up in the memory of this process, without a copy of it. The page is fresh for left, or stale.
func (m *Mount) peek(key []byte) (*page, time.Duration) {
	if m.cache.local == nil {
		return nil, 0
	}
	held, left, ok := m.cache.local.Peek(key)
	if !ok {
		return nil, 0
	}
	p, _ := held.View().(*page)
	if p == nil {
		if p = m.pageIn(held, key); p == nil {
			return nil, 0
		}
	}
	return p, left - p.tail
}

// pageIn decodes the page in a record, and leaves it there for later readers. It returns nil if it cannot be read.
func (m *Mount) pageIn(held store.Held, key []byte) *page {
	p, err := newPage(held.Record().Value, unsafe.String(unsafe.SliceData(key), len(key)))
	if err != nil {
		m.damaged(string(key))
		return nil
	}
	p.held = held
	held.SetView(p, p.size())
	return p
}

// damaged drops an entry that cannot be read.
func (m *Mount) damaged(key string) {
	c := m.cache
	c.counters.damaged.Add(1)
	err := c.backend.Delete(context.Background(), key)
	c.config.Logger.Warn("entry damaged, dropped", "cache", c.config.Name, "error", err)
	c.config.Observer.Damaged(Event{Cache: c.config.Name, Err: err})
}

func (m *Mount) hit(r *http.Request, x Exchange, p *page, left time.Duration, tier string) {
	m.cache.counters.hits.Add(left)
	if m.observed {
		m.tellHit(r, x, p, left, tier)
	}
}

func (m *Mount) tellHit(r *http.Request, x Exchange, p *page, left time.Duration, tier string) {
	m.cache.config.Observer.Hit(Event{
		Cache: m.cache.config.Name, Route: x.Route(), Method: r.Method, Status: p.status, Tier: tier,
		TTL: left, Stale: left <= 0, Bytes: len(p.body),
	})
}
