package output

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// segment is one name=value of a raw query.
type segment struct {
	text string // as it stands in the query
	name string // unescaped
}

// appendQuery appends the canonical form of a raw query: the parameters that the policy keeps, as they were written,
// ordered by name; the values of one name keep their order. It is both what the key holds and all that the handler
// sees of the query, so two requests that share a key cannot be told apart by their queries.
func (p *Policy) appendQuery(dst []byte, raw string, segments *[]segment) []byte {
	if raw == "" || p.query == queryOnly && len(p.names) == 0 {
		return dst
	}
	found := (*segments)[:0]
	sorted := true
	for rest := raw; rest != ""; {
		var text string
		text, rest, _ = strings.Cut(rest, "&")
		if text == "" {
			continue
		}
		name, valid := segmentName(text)
		if p.query != queryWhole && !(valid && p.keepsQuery(name)) && !(p.query == queryExcept && !valid) {
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

// segmentName returns a segment's unescaped name. An invalid escape gives the name as it is written, and false:
// net/url drops such a parameter.
func segmentName(text string) (string, bool) {
	name, _, _ := strings.Cut(text, "=")
	if !strings.ContainsAny(name, "%+") {
		return name, true
	}
	plain, err := url.QueryUnescape(name)
	if err != nil {
		return name, false
	}
	return plain, true
}
