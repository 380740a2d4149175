package output

import (
	"net/http"
	"slices"
	"time"

	"github.com/echocache/echocache/response"
)

// What downstream (browsers, CDNs) is told of an answer is decided by a [response.Policy], mounted outside of the cache
// or inside. Outside, it asks [Scratch.Life] how long the page lives that goes out. Inside, it speaks for the handler,
// and [Tell] has the page remember that what it says must not outlive the page.

// life is what a door can know of the page that is being replayed.
type life struct {
	left  time.Duration
	told  bool
	known bool
}

// Life returns how long the page lives that [Mount.Serve] is answering with, and whether a policy inside has told
// downstream how long to keep it. It is known only while Serve writes the answer, and only if that is a page.
func (s *Scratch) Life() (left time.Duration, told, known bool) {
	return s.life.left, s.life.told, s.life.known
}

// told is a Cache-Control by Tell.
type told struct {
	control string   // "" if there was none
	said    []string // what stood there before
}

// Tell sets Cache-Control by p if w writes to a page that is being filled, and reports whether it does. It is called before
// the status is written. Each answer with the page promises no more than the page has left, and to one user only if the
// page is one user's own. What the handler had said of keeping its answer still counts for the page, and so does what p
// says, but that a page of one user's own may be private.
func Tell(w http.ResponseWriter, p response.Policy) bool {
	f := fillBehind(w)
	if f == nil {
		return false
	}
	if f.q.policy.perUser {
		p = p.Personal()
	}
	h := w.Header()
	f.told = told{p.CacheControl(), slices.Clone(h["Cache-Control"])}
	h["Cache-Control"] = []string{f.told.control}
	return true
}

// fillBehind returns the fill that records what is written to w, or nil.
func fillBehind(w http.ResponseWriter) *Fill {
	for w != nil {
		if r, ok := w.(*recorder); ok {
			if r.fill == nil || r.fill.aside.Load() {
				return nil
			}
			return r.fill
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
	return nil
}

// by returns what was said before Tell, and whether the answer's Cache-Control is still what Tell has set.
func (t *told) by(sent http.Header) (said []string, is bool) {
	return t.said, t.control != "" && slices.Equal(sent["Cache-Control"], []string{t.control})
}
