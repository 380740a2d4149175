package output

import (
	"net/http"
	"slices"
	"strings"
)

// refuse returns why a request may not be answered from the cache, or "". user is the user's id if the policy wants
// to know it, more what the reason needs besides.
func (m *Mount) refuse(r *http.Request, x Exchange) (user, reason, more string) {
	if reason = refuseRequest(r); reason != "" {
		return "", reason, ""
	}
	if x.Route() == "" || r.URL.Opaque != "" {
		return "", reasonNoRoute, ""
	}
	if m.policy.public {
		return "", "", ""
	}
	if !m.door.Identified {
		if reason, more = m.anonymous(r); reason != "" {
			return "", reason, more
		}
		return "", "", ""
	}
	user = x.User()
	switch {
	case m.policy.perUser && user == "":
		return "", reasonNoUser, ""
	case !m.policy.perUser && user != "":
		return "", reasonSignedIn, ""
	}
	return user, "", ""
}

// refuseRequest judges what stands in the request itself. Headers are looked up by their canonical names in the map:
// this is on the path of every hit.
func refuseRequest(r *http.Request) string {
	h := r.Header
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return reasonMethod
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return reasonBody
	case len(h["Upgrade"]) > 0:
		return reasonUpgrade
	case len(h["Range"]) > 0:
		return reasonRange
	case len(h["If-Match"]) > 0 || len(h["If-Unmodified-Since"]) > 0:
		return reasonPrecondition
	case len(h["X-Http-Method-Override"]) > 0 || len(h["X-Http-Method"]) > 0 || len(h["X-Method-Override"]) > 0:
		return reasonOverride
	}
	for _, accept := range h["Accept"] {
		if strings.HasPrefix(accept, "text/event-stream") {
			return reasonEventStream
		}
	}
	return ""
}

// anonymous judges a request of an application that does not say who is asking: whatever could tell two people apart
// makes it bypass (I-4).
func (m *Mount) anonymous(r *http.Request) (reason, more string) {
	if len(r.Header["Authorization"]) > 0 {
		return reasonIdentity, "authorization"
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
