package output

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// A page is kept for longer than it is fresh if its policy has a use for it when it is stale: as an answer while a new
// one is made, or in place of one that failed. It is looked up like any other, so one that was evicted is never found.

// StaleWhileRevalidate answers with a page for d after it is no longer fresh, at once, while one request in the background
// makes it anew (RFC 5861, section 3, within the server). That request runs all middleware again; see [Refreshing]. If it
// comes to nothing the stale page stands, and the next try is made after 1 s, then after twice as long each time, up to
// 30 s.
//
// A page with a status of 4xx or 5xx, kept by [Policy.StatusFor], is never shown stale. What browsers and CDNs may do with
// a stale answer is said by a [response.Policy].
func (p Policy) StaleWhileRevalidate(d time.Duration) Policy {
	p.checkStale("StaleWhileRevalidate", d)
	p.revalidate = d
	return p
}

// StaleIfError answers with a page for d after it is no longer fresh if the handler fails: if it returns an error that is
// answered with 5xx, answers with 5xx itself, panics, breaks off, or finds no place among MaxFills (RFC 5861, section 4,
// within the server). After a failure the page answers at once for 1 s, then for twice as long each time, up to 30 s,
// before the handler is tried again. A status given to [Policy.StatusFor] is no failure.
//
// A failure that a page has stood in for is logged, panics with their stack: nobody outside sees it.
func (p Policy) StaleIfError(d time.Duration) Policy {
	p.checkStale("StaleIfError", d)
	p.ifError = d
	return p
}

func (p *Policy) checkStale(method string, d time.Duration) {
	switch {
	case d <= 0:
		p.fault("%s(%s): the duration must be positive; leave it out to turn it off", method, d)
	case d > maxTTL:
		p.fault("%s(%s): longer than a hundred years", method, d)
	}
}

// tailFor is for how long a page with this status is kept after it is no longer fresh. An error that is kept is not kept
// longer than it was meant to be.
func (p *Policy) tailFor(status int) time.Duration {
	if status >= http.StatusBadRequest {
		return 0
	}
	return max(p.revalidate, p.ifError)
}

// How long a key whose handler has failed is left alone.
const (
	leastRetry = time.Second
	mostRetry  = 30 * time.Second
)

// servesStale reports whether a page that is fresh for left, which is not positive, is an answer already.
func (q *request) servesStale(left time.Duration) bool {
	switch {
	case q.during != nil:
		return false
	case -left < q.policy.revalidate:
		return true
	default:
		return -left < q.policy.ifError && q.cache.retries.holds([]byte(q.key))
	}
}

// answerStale answers with a page that is stale, and has it made anew.
func (q *request) answerStale(p *page, left time.Duration, tier string, s *source) error {
	q.cache.counters.stale.Add(1)
	q.hit(q.r, q.x, p, left, tier) // before anybody hears of what comes of it
	if -left < q.policy.revalidate {
		q.refresh()
	}
	return q.answer(p, &p.fields, left, s)
}

// standIn returns a page to answer with in place of a failure, or nil. It asks the backend once more: the page that was
// found before may have been evicted since.
func (q *request) standIn() (*page, time.Duration) {
	if q.stale == nil || q.during != nil || q.policy.ifError == 0 {
		return nil, 0
	}
	// The request's own time may be over: that is one of the failures.
	p, left, _ := q.lookUp(context.WithoutCancel(q.r.Context()), nil)
	if p != nil {
		return p, left
	}
	if q.stale == nil || -q.staleLeft >= q.policy.ifError {
		return nil, 0
	}
	return q.stale, q.staleLeft
}

// hung answers a request that has waited in vain for a handler that takes too long, if a page can stand in.
func (q *request) hung() (bool, error) {
	p, left := q.standIn()
	if p == nil {
		return false, nil
	}
	if key := []byte(q.key); !q.cache.retries.holds(key) { // only the first of those who waited together
		q.cache.retries.begin(key)
	}
	return true, q.answerInstead(p, left, reasonDeadline, 0, true)
}

// answerInstead answers with a page that stands in for what failed with this reason and status; 0 = none.
func (q *request) answerInstead(p *page, left time.Duration, reason string, status int, collapsed bool) error {
	if left > 0 { // somebody else has made it meanwhile
		q.hit(q.r, q.x, p, left, q.cache.tier)
		return q.answer(p, &p.fields, left, q.cache.sources.backend)
	}
	q.cache.counters.stale.Add(1)
	said := "fwd=stale"
	if status != 0 {
		said += "; fwd-status=" + strconv.Itoa(status)
	}
	if collapsed {
		said += "; collapsed"
	}
	return q.answer(p, &p.fields, left, &source{writer: q.cache.status, before: said, detail: reason})
}

// failure reports whether an answer that is not stored, for this reason, is a failure that a page may stand in for, and
// with which status it would have been answered.
func (f *Fill) failure(a *answer, reason string) (status int, is bool) {
	switch {
	case f.q.stale == nil || f.around:
		return 0, false
	case a.err != nil:
		status = f.q.x.ErrorStatus(a.err)
	case reason == reasonShort:
		return 0, true // whoever sent it broke off
	default:
		status = a.status
	}
	return status, status >= http.StatusInternalServerError
}

// failed answers a request whose handler failed with a page that stands in, and lets all who wait do the same.
func (f *Fill) failed(p *page, left time.Duration, reason string, status int, err error) error {
	q, c := f.q, f.q.cache
	pause := c.retries.begin([]byte(q.key))
	f.end(outcome{kind: outcomeBroken})
	f.release()
	c.counters.misses.Add(1)
	c.counters.because(reason)
	c.config.Logger.Warn("handler failed, a stale page stands in", "cache", c.config.Name, "route", q.x.Route(),
		"reason", reason, "status", status, "error", err, "retry", pause)
	f.observe(Event{Status: p.status, Reason: reason, TTL: left, Bytes: len(p.body), Stale: true, Err: err})
	return q.answerInstead(p, left, reason, status, false)
}

// panicked is failed for a handler that did not return: its panic goes no further, so it is told here.
func (f *Fill) panicked(p *page, left time.Duration, value any) error {
	if value != http.ErrAbortHandler { //nolint:errorlint,err113 // a panic's value, which net/http compares so too
		f.q.cache.config.Logger.Error("handler panicked", "cache", f.q.cache.config.Name, "route", f.q.x.Route(),
			"panic", value, "stack", string(debug.Stack()))
	}
	err, _ := value.(error)
	return f.failed(p, left, reasonPanic, 0, err)
}
