package output

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/echocache/echocache/response"
)

// answer is what a handler said, complete.
type answer struct {
	method   string
	status   int         // 0 = nothing written
	header   http.Header // as it would go to the client, outer middleware's part included
	ops      []op        // the handler's part of it
	body     []byte
	complete bool     // the body is as long as its Content-Length said
	err      error    // the handler's
	late     bool     // made when its context had already ended
	told     bool     // Cache-Control is what downstream is told, by Tell
	said     []string // the Cache-Control that the handler had set before
}

// admit decides whether an answer may be stored under a policy: it returns "" and the time to live, or the reason why
// not (I-4, I-5). It depends on nothing but its arguments.
func admit(a *answer, p *Policy) (time.Duration, string) {
	ttl, kept := p.ttlFor(a.status)
	switch {
	case a.err != nil:
		return 0, reasonError
	case a.late:
		return 0, reasonDeadline
	case a.status == 0:
		return 0, reasonNoAnswer
	case a.method == http.MethodHead:
		return 0, reasonHead
	case !kept || a.status == http.StatusPartialContent:
		return 0, reasonStatus
	case !a.complete:
		return 0, reasonShort
	case len(a.body) > 0 && !bodyAllowed(a.status):
		return 0, reasonShort
	case touched(a.ops, "Set-Cookie"):
		return 0, reasonSetCookie
	case find(a.ops, "Trailer") != nil || hasTrailerPrefix(a.ops):
		return 0, reasonTrailer
	}
	if reason := a.admitControl(p); reason != "" {
		return 0, reason
	}
	if !admitVary(find(a.ops, "Vary"), p) {
		return 0, reasonVary
	}
	return ttl, ""
}

// admitControl obeys what the handler said, even where downstream is told otherwise. Of what downstream is told, private
// does not keep a page from being stored that is each user's own anyway.
func (a *answer) admitControl(p *Policy) string {
	if reason := admitControl(a.said); reason != "" {
		return reason
	}
	reason := admitControl(a.header["Cache-Control"])
	if a.told && p.perUser && reason == reasonPrivate {
		return ""
	}
	return reason
}

// admitControl obeys private and no-store, with or without field names. Splitting at a comma inside a quoted
// string can only find one of them too often.
func admitControl(lines []string) string {
	for item := range listItems(lines) {
		name, _, _ := strings.Cut(item, "=")
		switch strings.ToLower(strings.TrimRight(name, " \t")) {
		case "private":
			return reasonPrivate
		case "no-store":
			return reasonNoStore
		}
	}
	return ""
}

// admitVary reports whether everything the handler says its answer varies on is in the key. Under Compress it has not seen
// Accept-Encoding, whatever it says.
func admitVary(lines []string, p *Policy) bool {
	for item := range listItems(lines) {
		name := http.CanonicalHeaderKey(item)
		hidden := p.compress && name == "Accept-Encoding"
		if !hidden && !slices.Contains(p.headers, name) {
			return false
		}
	}
	return true
}

// describe adds what a handler may leave to others: an entity tag, and the type that net/http would guess when the
// first bytes are written, which a HEAD or a 304 never does.
func (a *answer) describe() {
	if a.status == http.StatusOK && len(a.header["Etag"]) == 0 {
		a.set(opSet, "Etag", response.WeakETag(a.body))
	}
	_, typed := a.header["Content-Type"]
	if !typed && len(a.body) > 0 && len(a.header["Content-Encoding"]) == 0 {
		a.set(opSet, "Content-Type", http.DetectContentType(a.body))
	}
}

func (a *answer) set(kind opKind, name, value string) {
	a.ops = slices.DeleteFunc(a.ops, func(o op) bool { return o.name == name })
	a.ops = append(a.ops, op{kind, name, []string{value}})
}

// stored returns the part of the headers that is kept, with the Date of the fill.
func (a *answer) stored(now time.Time) []op {
	ops := keepable(a.ops)
	if find(ops, "Date") == nil {
		ops = append(ops, op{opSet, "Date", []string{now.UTC().Format(http.TimeFormat)}})
	}
	return ops
}

func touched(ops []op, name string) bool {
	return slices.ContainsFunc(ops, func(o op) bool { return o.name == name })
}

func hasTrailerPrefix(ops []op) bool {
	return slices.ContainsFunc(ops, func(o op) bool { return strings.HasPrefix(o.name, http.TrailerPrefix) })
}

// bodyAllowed reports whether an answer with this status code may have a body (RFC 9110, section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
