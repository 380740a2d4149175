package output

import (
	"net/http"
	"slices"
	"strings"
)

// op is one difference that a handler made to the answer's headers.
type op struct {
	kind   opKind
	name   string
	values []string
}

type opKind uint8

const (
	opSet    opKind = iota // the field has these values
	opAdd                  // the field has these values besides those it had
	opDelete               // the field is gone
	opCapped               // Cache-Control has this one value, shortened to what the page has left
	opOnce                 // Vary names this one header, among those that it names already
)

// difference returns what must be done to before to get after, in the order of names (I-5). Replayed on another
// answer it leaves alone what that answer's own outer middleware has put there.
func difference(before, after http.Header) []op {
	ops := make([]op, 0, len(after))
	for name, values := range after {
		old, had := before[name]
		switch {
		case had && slices.Equal(old, values):
		case had && len(old) > 0 && len(values) > len(old) && slices.Equal(old, values[:len(old)]):
			ops = append(ops, op{opAdd, name, values[len(old):]})
		case !had && name == "Vary":
			// A list to which another answer's outer middleware may have added its own.
			ops = append(ops, op{opAdd, name, values})
		default:
			ops = append(ops, op{opSet, name, values})
		}
	}
	for name := range before {
		if _, has := after[name]; !has {
			ops = append(ops, op{kind: opDelete, name: name})
		}
	}
	slices.SortFunc(ops, func(a, b op) int { return strings.Compare(a.name, b.name) })
	return ops
}

// find returns the values that ops give the field, or nil.
func find(ops []op, name string) []string {
	for i := range ops {
		if ops[i].name == name && ops[i].kind != opDelete {
			return ops[i].values
		}
	}
	return nil
}

// hopByHop reports whether a field is the connection's, not the message's (RFC 9110, section 7.6.1).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Authentication-Info", "Te", "Transfer-Encoding", "Trailer", "Upgrade":
		return true
	default:
		return false
	}
}

// perRequest reports whether a field says something of one request only, so that replaying it would be a lie.
func perRequest(name string) bool {
	switch name {
	case "X-Request-Id", "X-Correlation-Id", "Traceparent", "Tracestate", "Traceresponse", "Server-Timing",
		"X-Runtime", "X-Response-Time", "Age", "Cache-Status", "Content-Length", "Set-Cookie":
		return true
	default:
		return strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Ratelimit")
	}
}

// keepable returns the ops that are worth keeping.
func keepable(ops []op) []op {
	connection := find(ops, "Connection")
	return slices.DeleteFunc(slices.Clone(ops), func(o op) bool {
		return hopByHop(o.name) || perRequest(o.name) || nominated(connection, o.name)
	})
}

// nominated reports whether a Connection field names the field.
func nominated(connection []string, name string) bool {
	for item := range listItems(connection) {
		if strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

// listItems goes through the comma-separated items of a field's lines, less white space and empty ones. It must not
// be used for fields whose items may hold quoted commas, unless a wrong split errs on the safe side.
func listItems(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for line != "" {
				var item string
				item, line, _ = strings.Cut(line, ",")
				if item = strings.Trim(item, " \t"); item != "" && !yield(item) {
					return
				}
			}
		}
	}
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
