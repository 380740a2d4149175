package output

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// replay answers a request with a stored page. ops are the header differences to replay: the page's own, or all that
// the handler made for the one request that ran it. conditional says that the request may have a precondition.
func (m *Mount) replay(
	w http.ResponseWriter, r *http.Request, conditional bool, p *page, ops []op, left time.Duration, s *source,
) error {
	h := w.Header()
	alone := len(h) == 0 && !s.own // nobody else has set anything: nothing needs to be looked up
	unchanged := conditional && p.status == http.StatusOK && notModified(r.Header, p)
	if unchanged {
		applyUnchanged(h, ops)
	} else {
		apply(h, ops)
	}
	if !p.controlled && (alone || len(h["Cache-Control"]) == 0 && len(h["Expires"]) == 0) {
		h["Cache-Control"] = m.control
	}
	c := p.at(left, s)
	if !s.own {
		h["Age"] = c.ageValue
	}
	switch {
	case c.status == nil:
	case alone:
		h["Cache-Status"] = c.status
	default:
		addStatus(h, c.status)
	}
	if unchanged {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if p.length != nil {
		h["Content-Length"] = p.length
	}
	w.WriteHeader(p.status)
	if p.length == nil || len(p.body) == 0 || r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(p.body)
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

// notModified judges a conditional request against a stored 200 (RFC 9110, section 13.2.2): If-None-Match with the
// weak comparison, and If-Modified-Since only without it.
func notModified(h http.Header, p *page) bool {
	if none := h["If-None-Match"]; len(none) > 0 {
		return matchesETag(none, p.etag)
	}
	if since := h["If-Modified-Since"]; len(since) > 0 {
		return !p.modifiedSince(since[0])
	}
	return false
}

// matchesETag reports whether one of the entity tags in the lines of an If-None-Match field is, weakly compared, etag
// (RFC 9110, sections 8.8.3.2 and 13.1.2). A line with anything but entity tags in it matches nothing from there on.
func matchesETag(lines []string, etag string) bool {
	if len(lines) == 1 && strings.Trim(lines[0], " \t") == "*" {
		return true
	}
	if etag == "" {
		return false
	}
	opaque := strings.TrimPrefix(etag, "W/")
	for _, line := range lines {
		for {
			line = strings.TrimLeft(line, " \t,")
			line = strings.TrimPrefix(line, "W/")
			if line == "" || line[0] != '"' {
				break
			}
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				break
			}
			if line[:end+2] == opaque {
				return true
			}
			if line = strings.TrimLeft(line[end+2:], " \t"); line != "" && line[0] != ',' {
				break
			}
		}
	}
	return false
}

// applyUnchanged replays the fields that a 304 carries: all but those that describe the body it does not have
// (RFC 9110, section 15.4.5).
func applyUnchanged(h http.Header, ops []op) {
	for i := range ops {
		switch ops[i].name {
		case "Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range":
		default:
			apply(h, ops[i:i+1])
		}
	}
}
