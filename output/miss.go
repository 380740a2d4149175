package output

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/echocache/echocache/internal/flight"
	"github.com/echocache/echocache/store"
)

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
func (q *request) answer(p *page, f *fields, left time.Duration, s *source) error {
	scratch := q.x.Scratch()
	scratch.life = life{left, p.capped != nil, true}
	err := q.replay(q.w, q.r, q.traits, p, f, left, s)
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

// lookUp asks the backend. A fresh page comes back, in the place if there is one; anything else as the fence for a fill, a
// stale page as q.stale besides. Memory in front of a shared backend may have a stale page where that has a fresh one, and so
// does not count then. The place is used up in any case.
func (q *request) lookUp(ctx context.Context, place *place) (*page, time.Duration, store.Fence) {
	p, left, fence := q.lookUpBy(ctx, q.cache.backend.Lookup, place)
	if p != nil && left <= 0 && q.cache.past != nil {
		p, left, fence = q.lookUpBy(ctx, q.cache.past.LookupRemote, nil) // the place has been used
	}
	if q.stale = nil; p != nil && left <= 0 {
		q.stale, q.staleLeft = p, left
		return nil, 0, fence
	}
	return p, left, fence
}

func (q *request) lookUpBy(
	ctx context.Context, ask func(context.Context, ...string) ([]store.Found, error), place *place,
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
	// A stale page is kept for longer than a place is; what is damaged is told below.
	if place != nil && place.decode(f.Record.Value, q.key) == nil && f.Left > place.tail {
		return place.share(), f.Left - place.tail, f.Fence
	}
	p, err := newPage(f.Record.Value, q.key)
	if err != nil {
		q.damaged(q.key)
		return nil, 0, store.Fence{} // the drop moved the fence; this fill is for this request only
	}
	return p, f.Left - p.tail, f.Fence
}

// maxFenced is how often a request looks again after an eviction beat the fill it waited for.
const maxFenced = 3

// miss finds somebody to wait for, or fills. One deadline covers all of a request's waiting.
func (q *request) miss() error {
	c := q.cache
	if p, left := q.offline(); p != nil {
		q.hit(q.r, q.x, p, left, "offline")
		return q.answer(p, &p.fields, left, c.sources.offline)
	}
	arrived, until := c.flights.Now(), time.Now().Add(c.config.Patience)
	fence, done, err := q.kept()
	if done {
		return err
	}
	ctx, cancel := context.WithDeadline(q.r.Context(), until)
	defer cancel()
	fenced := 0
	for since := arrived; ; {
		f, waiter, role := c.flights.Join(q.key, since, c.config.Patience)
		if role == flight.LeadAgain {
			// A fill ended between the look-up and now; perhaps it was of this key.
			var p *page
			var left time.Duration
			if p, left, fence = q.lookUp(q.r.Context(), nil); p != nil {
				f.Finish(outcome{kind: outcomeAgain})
				q.hit(q.r, q.x, p, left, c.tier)
				return q.answer(p, &p.fields, left, c.sources.backend)
			}
		}
		if role != flight.Follow {
			return q.leadFleet(ctx, f, fence)
		}
		if done, err = q.follow(ctx, waiter, arrived, &fenced); done {
			return err
		}
		if fenced >= maxFenced || ctx.Err() != nil {
			break
		}
		since = c.flights.Now()
		if fence, done, err = q.kept(); done {
			return err
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

// kept answers with the page that the backend has, or has the handler do it where the request has to be alone. It reports
// whether the request is answered; else a fill may begin with the fence.
func (q *request) kept() (fence store.Fence, done bool, err error) {
	c := q.cache
	scratch := q.x.Scratch()
	place := scratch.take()
	p, left, fence := q.lookUp(q.r.Context(), place)
	c.at("look-up")
	if p != nil {
		q.hit(q.r, q.x, p, left, c.tier)
		err = q.answer(p, &p.fields, left, c.sources.backend)
		scratch.give(place)
		return fence, true, err
	}
	scratch.give(place)
	if q.stale != nil && q.servesStale(q.staleLeft) {
		return fence, true, q.answerStale(q.stale, q.staleLeft, c.tier, c.sources.backend)
	}
	if reason := q.lonely(); reason != "" {
		return fence, true, q.byItself(reason)
	}
	return fence, false, nil
}

// lonely returns why the request has to run the handler for itself, or "".
func (q *request) lonely() string {
	switch {
	case q.has(ranged) && q.stale == nil: // else the whole is made anew, and a part comes from that
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
