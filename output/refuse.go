package output

import (
	"net/http"
	"slices"
	"strings"
)

// traits is what the request's headers say, found in one pass: it costs less than to look up each of the names, and this
// is on the path of every hit.
type traits struct {
	reason      string // why the request bypasses, or ""
	conditional bool   // If-None-Match or If-Modified-Since
	ranged      bool   // a part is asked for, of a GET: nothing else has parts (RFC 9110, section 14.2)
	forwarded   bool   // a proxy may have said something of the connection to the client
	credential  bool   // somebody may be known by a header
}

// refuse returns why a request may not be answered from the cache, or "". user is the user's id if the policy wants
// to know it, more what the reason needs besides.
func (m *Mount) refuse(r *http.Request, x Exchange, route string) (t traits, user, reason, more string) {
	if t = look(r); t.reason != "" {
		return t, "", t.reason, ""
	}
	if route == "" || r.URL.Opaque != "" {
		return t, "", reasonNoRoute, ""
	}
	if m.policy.public {
		return t, "", "", ""
	}
	if !m.door.Identified {
		reason, more = m.anonymous(r, t.credential)
		return t, "", reason, more
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

// look judges what stands in the request itself.
func look(r *http.Request) (t traits) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		t.reason = reasonMethod
		return t
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		t.reason = reasonBody
		return t
	}
	for name, lines := range r.Header {
		if len(lines) > 0 {
			t.header(name, lines)
		}
	}
	t.ranged = t.ranged && r.Method == http.MethodGet
	return t
}

func (t *traits) header(name string, lines []string) {
	switch name {
	case "Upgrade":
		t.refuse(reasonUpgrade)
	case "Range":
		t.ranged = true
	case "If-Match", "If-Unmodified-Since":
		t.refuse(reasonPrecondition)
	case "X-Http-Method-Override", "X-Http-Method", "X-Method-Override":
		t.refuse(reasonOverride)
	case "Accept":
		if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "text/event-stream") }) {
			t.refuse(reasonEventStream)
		}
	case "If-None-Match", "If-Modified-Since":
		t.conditional = true
	case "Forwarded", "X-Url-Scheme":
		t.forwarded = true
	default:
		t.credential = t.credential || identifies(name)
		t.forwarded = t.forwarded || strings.HasPrefix(name, "X-Forwarded-")
	}
}

// identifies reports whether somebody may be known by a header of this name: one of HTTP's own, of API keys, or of proxies
// that sign people in. Middleware outside has read it already, and what it left in a context cannot be hidden.
func identifies(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization",
		"X-Api-Key", "X-Auth-Token", "X-Access-Token", "X-Session-Token",
		"Remote-User", "X-Remote-User", "X-User-Id", "X-Authenticated-User", "X-Forwarded-User", "X-Forwarded-Email",
		"X-Auth-Request-User", "X-Auth-Request-Email",
		"Cf-Access-Jwt-Assertion", "X-Amzn-Oidc-Data", "X-Goog-Iap-Jwt-Assertion", "X-Ms-Client-Principal":
		return true
	default:
		return false
	}
}

// refuse keeps, of several reasons, the first in the order of their names: the order of a map must not show.
func (t *traits) refuse(reason string) {
	if t.reason == "" || reason < t.reason {
		t.reason = reason
	}
}

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
