package response

import (
	"net/textproto"
	"slices"
	"time"
)

// Policy says what browsers and CDNs may do with an answer. It is a value: every method returns a changed copy, so a
// policy can be a package variable from which others are derived, and may be used concurrently. The zero Policy is
// NoCache().
//
// A mistake (a negative duration, a name that is none) is kept and reported by [Policy.Validate]; mounting a policy with
// a mistake fails at start. Durations are told in whole seconds, rounded down.
type Policy struct { //nolint:recvcheck // a value to its users; what only adds to it while building spares itself the copy
	kind           kind
	personal       bool // see Personal
	age            time.Duration
	shared         lasting
	immutable      bool
	mustRevalidate bool
	whileRevalid   lasting
	ifError        lasting
	vary           []string // canonical, each once
	etag           bool
	faults         []string // found while building
}

// kind is how a policy began.
type kind uint8

const (
	kindNoCache kind = iota
	kindPublic
	kindPrivate
	kindNoStore
)

// lasting is a duration that may be absent, which is not the same as zero.
type lasting struct {
	set bool
	d   time.Duration
}

// Public returns a policy by which browsers and shared caches may use an answer for d without asking again (public and
// max-age, RFC 9111, sections 5.2.2.9 and 5.2.2.1). With d = 0 they may keep it, but ask before each use. It says nothing
// of what the server itself keeps.
func Public(d time.Duration) Policy {
	p := Policy{kind: kindPublic, age: d}
	p.check("Public", d)
	return p
}

// Private returns a policy by which the browser may use an answer for d, and no shared cache may keep it (private,
// RFC 9111, section 5.2.2.7).
func Private(d time.Duration) Policy {
	p := Policy{kind: kindPrivate, age: d}
	p.check("Private", d)
	return p
}

// NoStore returns a policy by which nobody keeps an answer (RFC 9111, section 5.2.2.5).
func NoStore() Policy { return Policy{kind: kindNoStore} }

// NoCache returns a policy by which an answer may be kept, but is used only after the server was asked whether it still
// holds (RFC 9111, section 5.2.2.4). Together with [Policy.ETag] that costs a round trip without a body.
func NoCache() Policy { return Policy{} }

// Shared gives shared caches, such as CDNs, a time of their own (s-maxage, RFC 9111, section 5.2.2.10). It is for
// [Public] only.
func (p Policy) Shared(d time.Duration) Policy {
	p.check("Shared", d)
	p.shared = lasting{true, d}
	return p
}

// Immutable says that the answer never changes while it is fresh, so that not even a reload asks for it (RFC 8246). It is
// for URLs that change with their content.
func (p Policy) Immutable() Policy {
	p.immutable = true
	return p
}

// MustRevalidate forbids to use the answer when it is no longer fresh, even if the server cannot be reached (RFC 9111,
// section 5.2.2.2).
func (p Policy) MustRevalidate() Policy {
	p.mustRevalidate = true
	return p
}

// StaleWhileRevalidate allows to use the answer for d after it is no longer fresh, while a new one is fetched (RFC 5861,
// section 3).
func (p Policy) StaleWhileRevalidate(d time.Duration) Policy {
	p.check("StaleWhileRevalidate", d)
	p.whileRevalid = lasting{true, d}
	return p
}

// StaleIfError allows to use the answer for d after it is no longer fresh, if the server fails (RFC 5861, section 4).
func (p Policy) StaleIfError(d time.Duration) Policy {
	p.check("StaleIfError", d)
	p.ifError = lasting{true, d}
	return p
}

// Vary names request headers on which the answer depends, for caches to keep an answer for each (RFC 9110,
// section 12.5.5). They are added to what the handler says. A name given twice counts once.
func (p Policy) Vary(names ...string) Policy {
	p.vary = slices.Clone(p.vary)
	for _, name := range names {
		if name = textproto.CanonicalMIMEHeaderKey(name); !slices.Contains(p.vary, name) {
			p.vary = append(p.vary, name)
		}
	}
	return p
}

// ETag has an entity tag made of the body where the handler sets none, so that a client that has the answer already is
// told so in place of being sent it again (RFC 9110, section 8.8.3).
func (p Policy) ETag() Policy {
	p.etag = true
	return p
}

// Varies returns the names given to Vary, in canonical form.
func (p Policy) Varies() []string { return slices.Clone(p.vary) }

// WantsETag reports whether the policy has ETag.
func (p Policy) WantsETag() bool { return p.etag }

// Within returns the policy with max-age and s-maxage shortened to left where they are longer, for an answer that is
// itself kept only so long. Less than nothing counts as nothing.
func (p Policy) Within(left time.Duration) Policy {
	left = max(left, 0)
	p.age = min(p.age, left)
	p.shared.d = min(p.shared.d, left)
	return p
}

// Personal returns the policy for an answer that is one user's own: private, and without s-maxage.
func (p Policy) Personal() Policy {
	if p.kind == kindPublic {
		p.kind = kindPrivate
	}
	p.personal = true
	p.shared = lasting{}
	return p
}
