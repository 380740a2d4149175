package output

import (
	"strconv"
	"strings"
)

// Status says how much an answer tells of its way through the cache in the Cache-Status field (RFC 9211).
type Status uint8

const (
	StatusFull  Status = iota // everything; the default
	StatusShort               // without detail
	StatusOff                 // nothing
)

// statusWriter renders Cache-Status members for one cache.
type statusWriter struct {
	name string // as it stands in the field
	mode Status
}

// source is where a stored answer came from: what a Cache-Status member says before and after its ttl.
type source struct {
	writer *statusWriter
	before string // "hit" or "fwd=uri-miss; stored"
	detail string // the tier, or a reason, or ""
	own    bool   // the handler has just run for this very request, so the answer has no Age
	unkept bool   // the page is not stored, so there is no time to live to tell
}

// render appends a member that names the time to live in seconds, if there is one, or nothing if Cache-Status is off.
func (s *source) render(b []byte, ttl int64) []byte {
	if s.writer.mode == StatusOff {
		return b
	}
	b = append(b, s.writer.name...)
	b = append(b, "; "...)
	b = append(b, s.before...)
	if !s.unkept {
		b = append(b, "; ttl="...)
		b = strconv.AppendInt(b, ttl, 10)
	}
	if s.detail != "" && s.writer.mode == StatusFull {
		b = append(b, "; detail="...)
		b = append(b, s.detail...)
	}
	return b
}

// forwarded returns a member for an answer that did not come from the cache and was not stored: fwd is RFC 9211's
// word, the reason and what belongs to it are the detail.
func (w *statusWriter) forwarded(fwd, reason, more string) string {
	if w.mode == StatusOff {
		return ""
	}
	member := w.name + "; fwd=" + fwd
	if w.mode == StatusShort || reason == "" || fwd == reason {
		return member
	}
	if more != "" && isToken(more) {
		reason += ":" + more
	}
	return member + "; detail=" + reason
}

// forwardWord returns RFC 9211's word for a bypass with this reason.
func forwardWord(reason string) string {
	if reason == reasonMethod {
		return "method"
	}
	return "bypass"
}

// statusName returns a cache's name as a structured field item: a token if it is one, else a string (RFC 8941).
func statusName(name string) string {
	first := name[0]
	letter := first == '*' || 'a' <= first && first <= 'z' || 'A' <= first && first <= 'Z'
	if letter && isToken(name) {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
