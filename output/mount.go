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

	"github.com/echocache/echocache/internal/flight"
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
	if reason = m.appendKey(s, r, x, route, x.Scheme(t.forwarded), user); reason != "" {
		return m.bypass(w, r, x, reason, "")
	}
	p, left := m.peek(s.key)
	if p != nil && left > 0 {
		m.hit(r, x, p, left, "memory")
		s.life = life{left, p.capped != nil, true}
		err := m.replay(w, r, t, p, p.ops, left, m.cache.sources.memory)
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
	w, err := decode(held.Record().Value, key)
	if err != nil {
		m.damaged(string(key))
		return nil
	}
	p := newPage(w)
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
	if _, nobody := m.cache.config.Observer.(NopObserver); nobody {
		return
	}
	m.cache.config.Observer.Hit(Event{
		Cache: m.cache.config.Name, Route: x.Route(), Method: r.Method, Status: p.status, Tier: tier,
		TTL: left, Stale: left <= 0, Bytes: len(p.body),
	})
}

// request is one request that was not answered from memory.
type request struct {
	*Mount
	w http.ResponseWriter
	r *http.Request
	x Exchange
	traits
	user  string
	key   string
	query string // canonical

	during *refresh // of which this request is part; nil: it is a client's
	// What the last look-up has found, if that is stale, and for how long it is fresh, which is negative.
	stale     *page
	staleLeft time.Duration
}

// filled returns the ways in which an answer to this request goes out that a handler has just made.
func (q *request) filled() *fills {
	if q.stale != nil {
		return &q.cache.sources.stale
	}
	return &q.cache.sources.miss
}

// forwardWord is RFC 9211's word for why the request goes on to the handler.
func (q *request) forwardWord() string {
	if q.stale != nil {
		return "stale"
	}
	return "uri-miss"
}

// answer replays a page to the request that asked for it.
func (q *request) answer(p *page, ops []op, left time.Duration, s *source) error {
	scratch := q.x.Scratch()
	scratch.life = life{left, p.capped != nil, true}
	err := q.replay(q.w, q.r, q.traits, p, ops, left, s)
	scratch.life = life{}
	return err
}

// outcome is what a flight ends with.
type outcome struct {
	kind outcomeKind
	page *page         // stored, kept
	left time.Duration // of the page
}

type outcomeKind uint8

const (
	outcomeFailed outcomeKind = iota // no answer to share: everybody on their own
	outcomeStored                    // the page is stored: for all who joined before it was sealed
	outcomeFenced                    // an eviction came in between: look up again
	outcomeKept                      // admitted, but not stored: only for those who arrived before the fill began
	outcomeNested                    // an inner policy decides
	outcomeBroken                    // the handler failed, and a stale page stands in
	outcomeAgain                     // nobody has run the handler: look up again
)

// lookUp asks the backend. A fresh page comes back; anything else as the fence for a fill, a stale page as q.stale besides.
// Memory in front of a shared backend may have a stale page where that has a fresh one, and so does not count then.
func (q *request) lookUp(ctx context.Context) (*page, time.Duration, store.Fence) {
	p, left, fence := q.lookUpBy(ctx, q.cache.backend.Lookup)
	if p != nil && left <= 0 && q.cache.past != nil {
		p, left, fence = q.lookUpBy(ctx, q.cache.past.LookupRemote)
	}
	if q.stale = nil; p != nil && left <= 0 {
		q.stale, q.staleLeft = p, left
		return nil, 0, fence
	}
	return p, left, fence
}

func (q *request) lookUpBy(
	ctx context.Context, ask func(context.Context, ...string) ([]store.Found, error),
) (*page, time.Duration, store.Fence) {
	found, err := ask(ctx, q.key)
	if err != nil || len(found) != 1 {
		if err != nil && ctx.Err() == nil {
			q.cache.config.Logger.Warn("look-up failed", "cache", q.cache.config.Name, "error", err)
		}
		return nil, 0, store.Fence{}
	}
	f := found[0]
	if f.Record == nil || f.Left <= 0 {
		return nil, 0, f.Fence
	}
	w, err := decode(f.Record.Value, []byte(q.key))
	if err != nil {
		q.damaged(q.key)
		return nil, 0, store.Fence{} // the drop moved the fence; this fill is for this request only
	}
	return newPage(w), f.Left - w.tail, f.Fence
}

// maxFenced is how often a request looks again after an eviction beat the fill it waited for.
const maxFenced = 3

// miss finds somebody to wait for, or fills. One deadline covers all of a request's waiting.
func (q *request) miss() error {
	c := q.cache
	if p, left := q.offline(); p != nil {
		q.hit(q.r, q.x, p, left, "offline")
		return q.answer(p, p.ops, left, c.sources.offline)
	}
	arrived := c.flights.Now()
	ctx, cancel := context.WithTimeout(q.r.Context(), c.config.Patience)
	defer cancel()
	fenced := 0
	for fenced < maxFenced {
		since := c.flights.Now()
		page, left, fence := q.lookUp(q.r.Context())
		c.at("look-up")
		if page != nil {
			q.hit(q.r, q.x, page, left, c.tier)
			return q.answer(page, page.ops, left, c.sources.backend)
		}
		if q.stale != nil && q.servesStale(q.staleLeft) {
			return q.answerStale(q.stale, q.staleLeft, c.tier, c.sources.backend)
		}
		if reason := q.lonely(); reason != "" {
			return q.byItself(reason)
		}
		f, waiter, role := c.flights.Join(q.key, since, c.config.Patience)
		if role == flight.LeadAgain {
			// A fill ended between the look-up and now; perhaps it was of this key.
			if page, left, fence = q.lookUp(q.r.Context()); page != nil {
				f.Finish(outcome{kind: outcomeAgain})
				q.hit(q.r, q.x, page, left, c.tier)
				return q.answer(page, page.ops, left, c.sources.backend)
			}
		}
		if role != flight.Follow {
			return q.leadFleet(ctx, f, fence)
		}
		done, err := q.follow(ctx, waiter, arrived, &fenced)
		if done {
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := q.r.Context().Err(); err != nil {
		return err // the client left, or its time is over
	}
	if done, err := q.hung(); done {
		return err
	}
	if fenced >= maxFenced {
		return q.alone(reasonFenced)
	}
	return q.alone(reasonDeadline)
}

// lonely returns why the request has to run the handler for itself, or "".
func (q *request) lonely() string {
	switch {
	case q.ranged && q.stale == nil: // else the whole is made anew, and a part comes from that
		return reasonRange
	case q.r.Method == http.MethodHead:
		return reasonHead
	case q.fillsItself():
		return reasonNested
	case q.cache.dull.holds([]byte(q.key)):
		return reasonUncacheable
	default:
		return ""
	}
}

// byItself has the handler answer this request and no other. What asks for a part passes as the client sent it: the handler
// may have a way to answer it.
func (q *request) byItself(reason string) error {
	if reason == reasonRange {
		return q.bypass(q.w, q.r, q.x, reason, "")
	}
	return q.alone(reason)
}

// follow waits for another's fill. It reports whether the request is answered.
func (q *request) follow(ctx context.Context, w flight.Waiter[outcome], arrived flight.Moment, fenced *int) (bool, error) {
	c := q.cache
	c.counters.waiting.Add(1)
	o, err := w.Wait(ctx)
	c.counters.waiting.Add(-1)
	if errors.Is(err, flight.ErrAbandoned) {
		return q.hung()
	}
	if err != nil {
		return false, nil //nolint:nilerr // this request's own time is over, which miss sees
	}
	switch o.kind {
	case outcomeStored:
		if !w.Early() {
			return false, nil
		}
	case outcomeKept:
		if w.Started() <= arrived {
			return false, nil
		}
	case outcomeFenced:
		*fenced++
		return false, nil
	case outcomeAgain:
		return false, nil
	case outcomeNested:
		return true, q.x.Next(q.r)
	case outcomeBroken:
		if p, left := q.standIn(); p != nil {
			c.counters.collapsed.Add(1)
			return true, q.answerInstead(p, left, reasonError, 0, true)
		}
		return true, q.alone(reasonError)
	default:
		return true, q.alone(reasonUncacheable)
	}
	return true, q.collapse(o)
}
