package output

import (
	"net/http"
	"slices"
	"time"

	"github.com/echocache/echocache/response"
)

// replay answers a request with a stored page. f are the fields to replay: the page's own, or all that the handler made for
// the one request that ran it. t is what look has found in the request.
func (m *Mount) replay(
	w http.ResponseWriter, r *http.Request, t traits, p *page, f *fields, left time.Duration, s *source,
) error {
	h := w.Header()
	alone := len(h) == 0 && !s.own // nobody else has set anything: nothing needs to be looked up
	v, parts, encoded := &p.whole, false, false
	if len(h) > 0 || t.has(ranged) || m.compress {
		v, parts, encoded = m.represent(h, r, t, p, s)
	}
	unchanged := t.has(conditional) && response.NotModified(r, p.status, v.tag(), p.lastModified())
	f.apply(h, unchanged)
	switch {
	case v != &p.whole:
		v.apply(h, unchanged)
	case encoded:
		weaken(h)
	}
	if !p.controlled && (alone || len(h["Cache-Control"]) == 0 && len(h["Expires"]) == 0) {
		h["Cache-Control"] = m.control
	}
	c := p.at(left, s)
	if p.capped != nil {
		h["Cache-Control"] = c.control[:]
	}
	if !s.own {
		h["Age"] = c.told[:]
	}
	switch {
	case c.status[0] == "":
	case alone:
		h["Cache-Status"] = c.status[:]
	default:
		addStatus(h, c.status[:])
	}
	if unchanged {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if parts {
		serveParts(w, r, p)
		return nil
	}
	if v.length != nil {
		h["Content-Length"] = v.length
	}
	w.WriteHeader(p.status)
	if v.length == nil || len(v.body) == 0 || r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(v.body)
	return err
}

// addStatus adds a Cache-Status member to those that are there. The value is shared; see apply.
func addStatus(h http.Header, value []string) {
	if old := h["Cache-Status"]; len(old) > 0 {
		h["Cache-Status"] = append(slices.Clip(old), value...)
		return
	}
	h["Cache-Status"] = value
}
