package output

import (
	"net/http"
	"slices"
	"strings"
)

// traits is what the request's headers say, found in one pass: it costs less than to look up each of the names, and this
// is on the path of every hit. For that path's sake they are one byte, which travels in a register.
type traits uint8

const (
	conditional traits = 1 << iota // If-None-Match or If-Modified-Since
	ranged                         // a part is asked for, of a GET: nothing else has parts (RFC 9110, section 14.2)
	forwarded                      // a proxy may have said something of the connection to the client
	credential                     // somebody may be known by a header; found only if that is asked
)

func (t traits) has(one traits) bool { return t&one != 0 }

// refuse returns why a request may not be answered from the cache, or "". user is the user's id if the policy wants
// to know it, more what the reason needs besides.
func (m *Mount) refuse(r *http.Request, x Exchange, route string) (t traits, user, reason, more string) {
	unknown := !m.policy.public && !m.door.Identified // nobody says who is asking, and it matters
	if t, reason = look(r, unknown); reason != "" {
		return t, "", reason, ""
	}
	if route == "" || r.URL.Opaque != "" {
		return t, "", reasonNoRoute, ""
	}
	if unknown {
		reason, more = m.anonymous(r, t.has(credential))
		return t, "", reason, more
	}
	if m.policy.public {
		return t, "", "", ""
	}
	user = x.User()
	switch {
	case m.policy.perUser && user == "":
		return t, "", reasonNoUser, ""
	case !m.policy.perUser && user != "":
		return t, "", reasonSignedIn, ""
	}
	return t, user, "", ""
}

// look judges what stands in the request itself. It returns why that bypasses, or "". unknown says that credentials are
// to be found as well.
func look(r *http.Request, unknown bool) (t traits, reason string) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return 0, reasonMethod
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return 0, reasonBody
	}
	for name, lines := range r.Header {
		if len(lines) == 0 || !telling.may(name) {
			continue
		}
		trait, why := judge(name, lines, unknown)
		t |= trait
		// Of several reasons the first in the order of their names: the order of a map must not show.
		if why != "" && (reason == "" || why < reason) {
			reason = why
		}
	}
	if r.Method != http.MethodGet {
		t &^= ranged
	}
	return t, reason
}

// judge returns what a header says of its request, and why the request bypasses, or "".
func judge(name string, lines []string, unknown bool) (t traits, reason string) {
	switch name {
	case "Upgrade":
		return 0, reasonUpgrade
	case "Range":
		return ranged, ""
	case "If-Match", "If-Unmodified-Since":
		return 0, reasonPrecondition
	case "X-Http-Method-Override", "X-Http-Method", "X-Method-Override":
		return 0, reasonOverride
	case "Accept":
		if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "text/event-stream") }) {
			return 0, reasonEventStream
		}
	case "If-None-Match", "If-Modified-Since":
		return conditional, ""
	case "Forwarded", "X-Url-Scheme":
		return forwarded, ""
	default:
		if unknown && identifies(name) {
			t |= credential
		}
		if strings.HasPrefix(name, proxied) {
			t |= forwarded
		}
	}
	return t, ""
}

// identifies reports whether somebody may be known by a header of this name.
func identifies(name string) bool { return slices.Contains(identities, name) }

// anonymous judges a request of an application that does not say who is asking: whatever could tell two people apart
// makes it bypass (I-4).
func (m *Mount) anonymous(r *http.Request, credential bool) (reason, more string) {
	if credential {
		for name, lines := range r.Header {
			if len(lines) > 0 && identifies(name) && !slices.Contains(m.policy.headers, name) && (more == "" || name < more) {
				more = name
			}
		}
		if more != "" {
			return reasonIdentity, strings.ToLower(more)
		}
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return reasonIdentity, "client-certificate"
	}
	lines := r.Header["Cookie"]
	if len(lines) == 0 {
		return "", ""
	}
	for c := range cookies(lines) {
		if !slices.Contains(m.policy.cookies, c.name) && !matchesAny(m.door.IgnoreCookies, c.name) {
			return reasonIdentity, c.name
		}
	}
	return "", ""
}
