package output

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
)

// wireVersion is the version of the entry's layout. It is part of every key, so that releases with different layouts
// keep entries of their own.
const wireVersion = 3

// pageKind is the first field of a page's key. A value's key begins otherwise.
const pageKind = "page"

// maxKey bounds a key. A request whose key would be longer bypasses the cache.
const maxKey = 8 << 10

// Scratch is the memory that one request needs while it is served. The zero value works. A door keeps it from one request to
// the next; it holds nothing of a request that has been served.
type Scratch struct {
	key      []byte
	query    []byte
	segments []segment
	life     life
	place    *place // for the page that a request finds for itself; nil if none has yet, or one has it
}

// take returns an empty place, for the request's own answer. If nobody gives it back, because of a panic, it is gone.
func (s *Scratch) take() *place {
	p := s.place
	s.place = nil
	if p == nil {
		p = new(place)
	}
	return p
}

// give takes a place back, for the next request.
func (s *Scratch) give(p *place) {
	p.clear()
	s.place = p
}

// A key is a row of length-prefixed fields, so that no two different rows give the same bytes (I-6):
//
//	kind, namespace, cache name, Version, wire version, policy fingerprint     (the prefix, made at registration)
//	route pattern, method class, scheme, host, path, raw path, query,
//	each declared header: its number of lines, each line,
//	each declared cookie: its number of values, each value,
//	each declared value, each VaryBy, user
//
// The method class is left out of the bytes: only GET and HEAD get so far, and they share entries.
func keyPrefix(namespace, name, version string, p *Policy) []byte {
	fingerprint := sha256.Sum256([]byte(p.String()))
	k := appendField(nil, pageKind)
	k = appendField(k, namespace)
	k = appendField(k, name)
	k = appendField(k, version)
	k = append(k, wireVersion)
	return append(k, fingerprint[:16]...)
}

func appendField(k []byte, s string) []byte {
	return append(appendLen(k, len(s)), s...)
}

// appendLen appends a length as a varint. Nearly all are of one byte, and this is on the path of every hit.
func appendLen(k []byte, n int) []byte {
	if n < 0x80 {
		return append(k, byte(n))
	}
	return binary.AppendUvarint(k, uint64(n))
}

// appendKey appends the canonical key of a request. It returns a reason if the request has none.
func (m *Mount) appendKey(s *Scratch, r *http.Request, x Exchange, route, scheme, user string) (reason string) {
	k := s.key[:0]
	k = append(k, m.prefix...)
	k = appendField(k, route)
	k = appendField(k, scheme)
	k = appendField(k, r.Host)
	k = appendField(k, r.URL.Path)
	k = appendField(k, r.URL.RawPath)
	if raw := r.URL.RawQuery; raw == "" || m.policy.canonical(raw) {
		k = appendField(k, raw)
	} else {
		k = m.appendOrdered(k, s, raw)
	}
	for _, name := range m.policy.headers {
		lines := r.Header[name]
		k = appendLen(k, len(lines))
		for _, line := range lines {
			k = appendField(k, line)
		}
	}
	for _, name := range m.policy.cookies {
		k = appendCookies(k, r.Header["Cookie"], name)
	}
	for _, name := range m.policy.values {
		value, _ := x.Value(name)
		if value == "" {
			return reasonNoValue
		}
		k = appendField(k, value)
	}
	for _, by := range m.policy.by {
		k = appendField(k, by.call(r))
	}
	k = appendField(k, user)
	s.key = k
	if len(k) > maxKey {
		s.key = nil // not back into the pool
		return reasonKeyTooLong
	}
	return ""
}

// appendOrdered appends a query that is not its own canonical form.
func (m *Mount) appendOrdered(k []byte, s *Scratch, raw string) []byte {
	s.query = m.policy.appendOrdered(s.query[:0], raw, &s.segments)
	k = appendLen(k, len(s.query))
	return append(k, s.query...)
}

// appendCookies appends the values of all cookies of one name, as they were sent.
func appendCookies(k []byte, lines []string, name string) []byte {
	n := 0
	for c := range cookies(lines) {
		if c.name == name {
			n++
		}
	}
	k = appendLen(k, n)
	for c := range cookies(lines) {
		if c.name == name {
			k = appendField(k, c.text)
		}
	}
	return k
}

// cookie is one name=value of a Cookie header.
type cookie struct{ name, text string }

// cookies goes through Cookie header lines without judging them: what net/http would skip as invalid is there too.
func cookies(lines []string) func(yield func(cookie) bool) {
	return func(yield func(cookie) bool) {
		for _, line := range lines {
			for line != "" {
				var text string
				text, line, _ = strings.Cut(line, ";")
				text = strings.Trim(text, " \t")
				if text == "" {
					continue
				}
				name, _, _ := strings.Cut(text, "=")
				if !yield(cookie{strings.TrimRight(name, " \t"), text}) {
					return
				}
			}
		}
	}
}
