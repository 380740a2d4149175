package output

import "net/http"

// Two policies on one request: an Output on a group and one on its route, or a handler that, while it fills, asks
// another cached handler of the same process. The inner one is served under the context of the outer one's fill, and
// so the two meet.

// meet is called when a request arrives at an inner policy during f. Where the inner answer is f's answer, f steps
// aside, and the request is returned as the client sent it. Where it is not, because the handler asked for a part of
// its page, the inner request goes its own way, and f's page is not stored: it would outlive the tags of its parts.
func (f *Fill) meet(w http.ResponseWriter, r *http.Request) *http.Request {
	if !f.recorder.within(w) {
		f.composed.Store(true)
		return r
	}
	f.q.learn(f.q.x.Route())
	f.q.cache.counters.because(reasonNested)
	return f.leave(r, outcome{kind: outcomeNested})
}

// Decline ends the fill before the handler has run, because the handler would not see what the key says. It returns
// the request as the client sent it, for the door to run the handler with; its answer goes straight through.
func (f *Fill) Decline() *http.Request {
	f.refuse(reasonScheme)
	return f.leave(f.Request, outcome{})
}

// leave ends the recording and the flight and gives the request back to its client: everything that was hidden shows
// again, and nobody else gets the answer. What was added to the request on its way in, seen, stays.
func (f *Fill) leave(seen *http.Request, o outcome) *http.Request {
	f.aside.Store(true)
	f.end(o)
	f.release()
	f.context.attach()
	f.recorder.onThrough = func(string) {}
	f.recorder.letThrough(reasonNested)
	f.q.x.Unhide()
	return reveal(seen, f.q.r)
}

// learn remembers that on this route an inner policy decides.
func (m *Mount) learn(route string) {
	m.inner.Store(route, struct{}{})
	m.nested.Store(true)
}

// fillsItself reports whether the request was made by a fill of the very page that it asks for, and so would wait for
// itself.
func (q *request) fillsItself() bool {
	for f := fillOf(q.r.Context()); f != nil; f = fillOf(f.q.r.Context()) {
		if f.q.cache == q.cache && f.q.key == q.key {
			return true
		}
	}
	return false
}
