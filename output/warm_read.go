package output

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// judge reads a Cache-Status field.
func (r *WarmResult) judge(lines []string, name string) {
	r.Reason = reasonNoCacheStatus
	var said statusMember
	for _, line := range lines {
		for m := range statusMembers(line) {
			if name == "" || m.name == name {
				said = m
			}
		}
	}
	if said.name == "" {
		return
	}
	r.Stored, r.Hit, r.Collapsed = said.stored, said.hit, said.collapsed
	if r.TTL = time.Duration(said.ttl) * time.Second; said.ttl > int64(math.MaxInt64/time.Second) {
		r.TTL = math.MaxInt64
	}
	if r.Stored || r.Hit || r.Collapsed {
		r.Reason = ""
		return
	}
	r.Reason = cmp.Or(said.detail, said.fwd, reasonNoCacheStatus)
}

// statusMember is what one cache says of an answer (RFC 9211, section 2).
type statusMember struct {
	name                   string
	hit, stored, collapsed bool
	fwd, detail            string
	ttl                    int64 // seconds; negative for something stale
}

// statusMembers goes through the members of one line of a Cache-Status field. What follows a mistake in a line is
// nobody's; a parameter that is unknown or of another type than it should be is passed over.
func statusMembers(line string) func(yield func(statusMember) bool) {
	return func(yield func(statusMember) bool) {
		for {
			line = strings.TrimLeft(line, " \t")
			var m statusMember
			var ok bool
			if m.name, line, ok = bareItem(line); !ok || m.name == "" {
				return
			}
			for strings.HasPrefix(line, ";") {
				var key, value string
				line = strings.TrimLeft(line[1:], " ")
				end := strings.IndexFunc(line, func(c rune) bool { return strings.ContainsRune("=;, \t", c) })
				if end < 0 {
					end = len(line)
				}
				if key, line = line[:end], line[end:]; !isToken(key) {
					return
				}
				value = "?1"
				if strings.HasPrefix(line, "=") {
					if value, line, ok = bareItem(line[1:]); !ok {
						return
					}
				}
				m.set(key, value)
			}
			if line = strings.TrimLeft(line, " \t"); line != "" && line[0] != ',' {
				return
			}
			if !yield(m) || line == "" {
				return
			}
			line = line[1:]
		}
	}
}

func (m *statusMember) set(key, value string) {
	switch key {
	case "hit":
		m.hit = value == "?1"
	case "stored":
		m.stored = value == "?1"
	case "collapsed":
		m.collapsed = value == "?1"
	case "fwd":
		m.fwd = value
	case "detail":
		m.detail = value
	case "ttl":
		m.ttl, _ = strconv.ParseInt(value, 10, 64)
	}
}

// bareItem takes a bare item off the front of s: a string without its quotes, anything else as it stands (RFC 9651,
// section 3.3).
func bareItem(s string) (item, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexFunc(s, func(c rune) bool { return strings.ContainsRune("; \t,\"()", c) })
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", "", false
			}
			b.WriteByte(s[i])
		case c < 0x20 || c >= 0x7f:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}
