package response

import (
	"strconv"
	"strings"
	"time"
)

// CacheControl returns the value of Cache-Control (RFC 9111, section 5.2.2).
func (p Policy) CacheControl() string {
	b := make([]byte, 0, 96)
	flag := func(name string) {
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, name...)
	}
	seconds := func(name string, d time.Duration) {
		flag(name)
		b = append(b, '=')
		b = strconv.AppendInt(b, int64(max(d, 0)/time.Second), 10)
	}
	switch p.kind {
	case kindNoStore:
		return "no-store" // nothing else matters to who keeps nothing
	case kindPublic:
		flag("public")
		seconds("max-age", p.age)
	case kindPrivate:
		flag("private")
		seconds("max-age", p.age)
	case kindNoCache:
		if p.personal {
			flag("private")
		}
		flag("no-cache")
	}
	if p.shared.set {
		seconds("s-maxage", p.shared.d)
	}
	if p.immutable {
		flag("immutable")
	}
	if p.mustRevalidate {
		flag("must-revalidate")
	}
	if p.whileRevalid.set {
		seconds("stale-while-revalidate", p.whileRevalid.d)
	}
	if p.ifError.set {
		seconds("stale-if-error", p.ifError.d)
	}
	return string(b)
}

// Cap returns a Cache-Control value with its max-age and s-maxage shortened to left where they are longer, in whole
// seconds rounded down. Everything else, rubbish included, stays as it is, and so does a value in which nothing is longer.
func Cap(control string, left time.Duration) string {
	limit := strconv.FormatInt(int64(max(left, 0)/time.Second), 10)
	var b strings.Builder
	done := 0 // what of control is in b
	for from := 0; from < len(control); {
		end := from + itemLength(control[from:])
		if at, digits := lifetime(control[from:end]); digits != "" && longer(digits, limit) {
			b.WriteString(control[done : from+at])
			b.WriteString(limit)
			done = from + at + len(digits)
		}
		from = end + 1
	}
	if done == 0 {
		return control
	}
	b.WriteString(control[done:])
	return b.String()
}

// itemLength returns the length of the first item of a list. A comma within quotes does not end it (RFC 9110,
// section 5.6.4).
func itemLength(list string) int {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return i
		}
	}
	return len(list)
}

// lifetime returns the digits of a max-age or s-maxage directive and where they begin, or "". They may stand in quotes:
// nobody should send them so, and everybody should read them so (RFC 9111, section 5.2).
func lifetime(item string) (at int, digits string) {
	name, value, ok := strings.Cut(item, "=")
	if !ok {
		return 0, ""
	}
	at = len(name) + 1
	name = strings.Trim(name, " \t")
	if !strings.EqualFold(name, "max-age") && !strings.EqualFold(name, "s-maxage") {
		return 0, ""
	}
	bare := strings.TrimLeft(value, " \t\"")
	at += len(value) - len(bare)
	end := 0
	for end < len(bare) && '0' <= bare[end] && bare[end] <= '9' {
		end++
	}
	return at, bare[:end]
}

// longer compares two numbers of any length.
func longer(a, b string) bool {
	a = strings.TrimLeft(a, "0")
	b = strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}
