package output

import (
	"cmp"
	"encoding/binary"
	"net/url"
	"slices"
	"strings"
)

// segment is one name=value of a raw query.
type segment struct {
	text string // as it stands in the query
	name string // unescaped
}

// canonicalQuery returns the canonical form of a raw query: the parameters that the policy keeps, as they were written,
// ordered by name; the values of one name keep their order. It is both what the key holds and all that the handler
// sees of the query, so two requests that share a key cannot be told apart by their queries.
func (p *Policy) canonicalQuery(raw string, segments *[]segment) string {
	if raw == "" || p.canonical(raw) {
		return raw
	}
	return string(p.appendOrdered(nil, raw, segments))
}

// appendOrdered appends the canonical form of a query that is not its own.
func (p *Policy) appendOrdered(dst []byte, raw string, segments *[]segment) []byte {
	if p.query == queryOnly && len(p.names) == 0 {
		return dst
	}
	found := (*segments)[:0]
	sorted := true
	for start := 0; start <= len(raw); {
		text, escaped, equals := scanSegment(raw[start:])
		start += len(text) + 1
		if text == "" {
			continue
		}
		name, valid := text[:equals], true
		if escaped {
			name, valid = unescapedName(name)
		}
		if !p.keepsSegment(name, valid) {
			continue
		}
		if n := len(found); n > 0 && found[n-1].name > name {
			sorted = false
		}
		found = append(found, segment{text, name})
	}
	if !sorted {
		slices.SortStableFunc(found, func(a, b segment) int { return cmp.Compare(a.name, b.name) })
	}
	for i, s := range found {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, s.text...)
	}
	clear(found) // the pooled slice must not hold a request's URL
	*segments = found[:0]
	return dst
}

// canonical reports whether a query is its own canonical form, as most are: one pass, and nothing to sort. A false
// costs time and nothing else.
func (p *Policy) canonical(raw string) bool {
	if p.query == queryOnly {
		return spells(p.literal, raw)
	}
	last := ""
	for start := 0; start <= len(raw); {
		text, escaped, equals := scanSegment(raw[start:])
		if text == "" || escaped || text[:equals] < last || !p.keepsSegment(text[:equals], true) {
			return false
		}
		last = text[:equals]
		start += len(text) + 1
	}
	return true
}

// spells reports whether a query has nothing but parameters that begin with one of literals, in their order.
func spells(literals []literal, raw string) bool {
	for i := range literals {
		l := &literals[i]
		for l.begins(raw) {
			end := len(l.text)
			for end < len(raw) && raw[end] != '&' {
				end++
			}
			if end == len(raw) {
				return true
			}
			raw = raw[end+1:]
		}
	}
	return false
}

// literal is the name of a parameter as it begins one that has a value.
type literal struct {
	text       string
	word, mask uint64 // its first eight bytes, and which of those it has: most names are no longer, and are compared as one number
}

// begins reports whether a query begins with the literal.
func (l *literal) begins(raw string) bool {
	if len(raw) < 8 || len(l.text) > 8 {
		return strings.HasPrefix(raw, l.text)
	}
	return binary.LittleEndian.Uint64([]byte(raw[:8]))&l.mask == l.word // not a copy: nothing writes to it
}

// literals returns the names as they begin a parameter that has a value, less those that a query cannot hold as they
// are.
func literals(names []string) (found []literal) {
	for _, name := range names {
		if strings.ContainsAny(name, "%+&=") {
			continue
		}
		l := literal{text: name + "="}
		l.word = binary.LittleEndian.Uint64(append([]byte(l.text), make([]byte, 8)...))
		l.mask = 1<<(8*min(len(l.text), 8)) - 1
		found = append(found, l)
	}
	return found
}

// scanSegment returns the query up to the next "&", whether its name may be escaped, and where its name ends.
func scanSegment(rest string) (text string, escaped bool, equals int) {
	equals = -1
	for i := range len(rest) {
		switch rest[i] {
		case '&':
			if equals < 0 {
				equals = i
			}
			return rest[:i], escaped, equals
		case '=':
			if equals < 0 {
				equals = i
			}
		case '%', '+':
			escaped = escaped || equals < 0
		}
	}
	if equals < 0 {
		equals = len(rest)
	}
	return rest, escaped, equals
}

// keepsSegment reports whether the policy keeps a parameter. net/url drops one whose name has an invalid escape; so does
// a policy that names what it keeps, and no other.
func (p *Policy) keepsSegment(name string, valid bool) bool {
	return p.query == queryWhole || !valid && p.query == queryExcept || valid && p.keepsQuery(name)
}

// unescapedName returns a parameter's name, as it is written if its escapes are invalid.
func unescapedName(name string) (string, bool) {
	plain, err := url.QueryUnescape(name)
	if err != nil {
		return name, false
	}
	return plain, true
}
