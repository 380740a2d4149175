package output

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/internal/flight"
	"github.com/echocache/echocache/store"
)

// Fill is one run of a handler under a policy. A door runs the handler with Request, its answer going to Writer.
type Fill struct {
	Request *http.Request
	Writer  http.ResponseWriter

	q        *request
	recorder *recorder
	context  *fillContext
	flight   *flight.Flight[outcome] // nil: the page is for this request only
	fence    store.Fence
	unclaim  func() // gives up what was claimed among other processes, when the flight has ended
	tags     []string
	began    time.Time
	entry    Entry
	told     told
	around   bool        // the handler wrote past Writer
	composed atomic.Bool // the handler asked another cached handler for a part of its page

	place sync.Once   // gives up the place among MaxFills
	aside atomic.Bool // the fill has left; see leave
	ended bool        // the flight has its outcome
	why   string      // it is for this request only
}

// KeepsStatus reports whether the policy keeps answers with this status code, so that the door may render a returned
// error of that code inside the fill.
func (f *Fill) KeepsStatus(code int) bool {
	for _, s := range f.q.policy.statuses {
		if s.code == code {
			return !f.aside.Load() && f.flight != nil
		}
	}
	return false
}

// WrittenAround tells the cache that the handler answered on the framework's own response, past Writer.
func (f *Fill) WrittenAround() { f.around = true }

// lead runs the handler for everybody who waits for the key, stores what it answers, and answers its own request. unclaim
// is called when the flight has ended.
func (q *request) lead(own *flight.Flight[outcome], fence store.Fence, unclaim func()) error {
	tags, reason := q.expand(q.x, q.user)
	if reason != "" {
		own.Finish(outcome{})
		unclaim()
		return q.bypass(q.w, q.r, q.x, reason, "")
	}
	f := q.newFill(own, q.policy.maxBytes)
	f.fence, f.tags, f.unclaim = fence, tags, unclaim
	return f.run(q.context(f))
}

// alone runs the handler for this request only, because it waited long enough or waiting is not worth it. The handler
// sees no more of the request than in a fill for everybody, but for what the client has already; its answer goes straight
// through.
func (q *request) alone(reason string) error {
	limit := int64(0)
	if q.stale != nil && q.during == nil && q.policy.ifError > 0 {
		limit = q.policy.maxBytes // a page can stand in only for what has not gone out
	}
	f := q.newFill(nil, limit)
	f.why = reason
	f.recorder.onThrough = func(string) { f.pass(reason) }
	return f.run(q.context(f))
}

func (q *request) newFill(own *flight.Flight[outcome], limit int64) *Fill {
	f := &Fill{q: q, flight: own, began: time.Now()}
	f.recorder = newRecorder(q.w, limit, f.pass)
	f.recorder.fill = f
	f.Writer = f.recorder
	return f
}

// context makes the context in which f runs. A fill for one request only is its client's from the start.
func (q *request) context(f *Fill) *fillContext {
	c := newFillContext(q.r.Context(), q.cache.life, q.cache.config.Patience, f)
	if f.flight == nil {
		c.attach()
	}
	return c
}

// run runs the handler. Whatever it does, nobody who waits is left behind: a panic and runtime.Goexit pass through
// here as they would without a cache.
func (f *Fill) run(ctx *fillContext) (err error) {
	q, c := f.q, f.q.cache
	f.context = ctx
	f.Request = q.restrict(ctx, q.r, q.query, q.x.Scheme(q.has(forwarded)))
	if f.flight == nil {
		showConditions(f.Request.Header, q.r.Header)
	}
	returned := false
	c.counters.filling.Add(1)
	defer func() {
		c.counters.filling.Add(-1)
		f.release()
		ctx.end()
		if !returned {
			if p, left := f.standIn(); p != nil {
				if v := recover(); v != nil { // else the goroutine ends, which nobody can stop
					err = f.panicked(p, left, v)
					return
				}
			}
			f.broken()
		}
	}()
	if err = f.acquire(ctx); err != nil {
		returned = true
		return f.refused(err)
	}
	err = q.x.Fill(f)
	returned = true
	c.at("fill")
	return f.settle(err)
}

// standIn returns a page for a request whose handler did not return; see [request.standIn].
func (f *Fill) standIn() (*page, time.Duration) {
	if f.recorder.through || f.around || f.aside.Load() {
		return nil, 0
	}
	return f.q.standIn()
}

// refused ends a fill that found no place, with err unless a page can stand in.
func (f *Fill) refused(err error) error {
	if f.q.renews() {
		f.end(outcome{kind: outcomeAgain}) // whoever waits leads the next, and waits for a place
		f.q.during.settled.Store(true)
		return nil
	}
	if p, left := f.q.standIn(); p != nil {
		return f.failed(p, left, reasonOverload, 0, err)
	}
	f.end(outcome{})
	return err
}

// acquire takes one of the places that MaxFills allows. It waits for one as long as a fill may take, whoever the fill
// is for.
func (f *Fill) acquire(ctx context.Context) error {
	places := f.q.cache.places
	if places == nil {
		return nil
	}
	if outer := fillOf(f.q.r.Context()); outer != nil && outer.q.cache == f.q.cache {
		// A part of another page is made in that page's place. If it needed one of its own, pages that wait for
		// their parts could hold all places and none would go on.
		f.place.Do(func() {})
		return nil
	}
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	if f.q.renews() {
		f.place.Do(func() {})
		return ErrOverload // clients first; the next one to ask has it tried again
	}
	ctx, cancel := context.WithTimeout(ctx, f.q.cache.config.Patience)
	defer cancel()
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		f.place.Do(func() {})
		f.q.cache.counters.because(reasonOverload)
		return errors.Join(ErrOverload, ctx.Err())
	}
}

// release gives the place back, at most once.
func (f *Fill) release() {
	if f.q.cache.places != nil {
		f.place.Do(func() { <-f.q.cache.places })
	}
}

// pass ends the recording because the answer goes through as it is written: nobody else may have it.
func (f *Fill) pass(reason string) {
	f.refuse(reason)
	f.release()
	f.context.attach()
	if f.q.renews() {
		f.q.during.cancel() // there is nobody to stream to
	}
}

// refuse ends the flight without a page, and says why in the answer's header.
func (f *Fill) refuse(reason string) {
	q, c := f.q, f.q.cache
	if f.aside.Load() {
		return
	}
	c.counters.misses.Add(1)
	c.counters.because(reason)
	if q.renews() {
		q.during.because(reason)
	}
	if f.flight != nil && lasting(reason) {
		c.dull.begin([]byte(q.key))
	}
	f.end(outcome{})
	if f.recorder.member = c.status.forwarded(q.forwardWord(), reason, ""); f.recorder.member != "" {
		addStatus(q.w.Header(), []string{f.recorder.member}) // also where nobody inside writes a head
	}
	f.observe(Event{Reason: reason})
}

// end gives the flight its outcome. Only the first one counts.
func (f *Fill) end(o outcome) {
	if f.flight != nil && !f.ended {
		f.ended = true
		f.flight.Finish(o)
		f.unclaim()
	}
}

// broken cleans up after a handler that did not return: what it had written goes to its client, as without a cache.
func (f *Fill) broken() {
	if !f.recorder.through {
		f.commit(reasonPanic)
	}
	f.end(outcome{})
}

// commit writes an answer that is not stored to its client, with the reason.
func (f *Fill) commit(reason string) {
	w := f.recorder
	w.onThrough = func(string) { f.refuse(reason) }
	w.letThrough(reason)
	w.finish()
}

func (f *Fill) observe(e Event) {
	e.Cache, e.Route, e.Method = f.q.cache.config.Name, f.q.x.Route(), f.q.r.Method
	e.Took, e.Refresh = time.Since(f.began), f.q.renews()
	f.q.cache.config.Observer.Filled(e)
}

// expand makes the tags that the policy names, before the handler runs.
func (m *Mount) expand(x Exchange, user string) ([]string, string) {
	if len(m.tags) == 0 {
		return nil, ""
	}
	scope := Scope{Param: x.Param, Value: x.Value, User: user, Identified: m.door.Identified}
	if m.door.Identified && user == "" {
		scope.User = x.User() // a public page may still be tagged with whoever asked first
	}
	tags := make([]string, 0, len(m.tags))
	for _, t := range m.tags {
		tag, err := t.Expand(scope)
		switch {
		case errors.Is(err, errBadEscape):
			return nil, reasonBadEscape
		case err != nil:
			m.cache.config.Logger.Error("page not cached: a tag cannot be made",
				"cache", m.cache.config.Name, "route", x.Route(), "error", err)
			return nil, reasonTag
		}
		tags = append(tags, tag)
	}
	return tags, ""
}
