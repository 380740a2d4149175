package output

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// Defaults of a [Policy].
const (
	DefaultTTL      = time.Minute
	DefaultMaxBytes = 1 << 20
	DefaultJitter   = 0.1
)

// Policy says how a route is cached: for how long, under which tags, and what of a request selects the page. It is
// a value: every method returns a changed copy, so a policy can be a package variable from which others are derived.
// The zero Policy is For(60 s).
//
// A mistake (a negative duration, a reserved tag) is kept and reported by [Policy.Validate]; mounting a policy with a
// mistake fails at start.
type Policy struct { //nolint:recvcheck // a value to its users; what only validates and asks spares itself the copy
	off     bool
	ttl     time.Duration
	tags    []string
	headers []string // canonical
	query   queryMode
	names   []string  // of query parameters, as query says
	literal []literal // see literals; set with the defaults
	cookies []string
	values  []string
	by      []varyFunc
	perUser bool
	public  bool
	fleet   bool
	// keep each page compressed besides
	compress bool
	// for how long a stale page is an answer
	revalidate, ifError time.Duration
	statuses            []statusTTL
	maxBytes            int64
	jitter              float64
	hasJit              bool
	faults              []string // found while building
}

// queryMode says which query parameters select a page.
type queryMode uint8

const (
	queryWhole  queryMode = iota // all of them
	queryOnly                    // those named
	queryExcept                  // all but those named
)

type varyFunc struct {
	name string
	call func(*http.Request) string
}

type statusTTL struct {
	code int
	ttl  time.Duration
}

// For returns a policy that keeps an answer for ttl. The policy decides, not the handler's Cache-Control (but for
// private and no-store, which are obeyed), as in ASP.NET's output caching.
func For(ttl time.Duration) Policy {
	p := Policy{ttl: ttl}
	if ttl <= 0 {
		p.fault("For(%s): the time to live must be positive; output.Off() turns caching off", ttl)
	}
	return p
}

// Off returns the policy of a route that is not cached. On a route it takes it out of its group's policy.
func Off() Policy { return Policy{off: true} }

// Tag adds tags under which the page can be evicted. A tag may hold names in braces that are filled in for each
// request: a parameter of the route ("product:{id}"), "{user}" (the user's id), or a name of Config.Values. A route
// parameter is unescaped first.
func (p Policy) Tag(templates ...string) Policy {
	p.tags = extend(p.tags, templates)
	return p
}

// VaryHeader makes request headers part of the key, with all their lines. The handler sees no other request header
// but the trace headers and X-Request-Id.
func (p Policy) VaryHeader(names ...string) Policy {
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = textproto.CanonicalMIMEHeaderKey(n)
	}
	p.headers = extend(p.headers, names)
	return p
}

// VaryQuery makes only these query parameters part of the key and hides the others from the handler. The default is
// the whole query. Without a name no parameter is.
func (p Policy) VaryQuery(names ...string) Policy { return p.withQuery(queryOnly, names) }

// IgnoreQuery makes all query parameters but these part of the key and hides these from the handler. A name may end
// in "*": "utm_*".
func (p Policy) IgnoreQuery(names ...string) Policy { return p.withQuery(queryExcept, names) }

func (p Policy) withQuery(mode queryMode, names []string) Policy {
	if p.query != queryWhole && p.query != mode {
		p.fault("VaryQuery and IgnoreQuery exclude each other: use one")
	}
	p.query = mode
	p.names = extend(p.names, names)
	return p
}

// VaryCookie makes cookies part of the key. The handler sees no other cookie.
func (p Policy) VaryCookie(names ...string) Policy {
	p.cookies = extend(p.cookies, names)
	return p
}

// VaryValue makes values of Config.Values part of the key, for example a tenant or a role. A request for which one
// of them is empty bypasses the cache.
func (p Policy) VaryValue(names ...string) Policy {
	p.values = extend(p.values, names)
	return p
}

// VaryBy makes what f returns part of the key, under a name that must be unique in the policy. f sees the request as
// the client sent it, must depend on nothing else, and is called on every request, possibly concurrently.
func (p Policy) VaryBy(name string, f func(*http.Request) string) Policy {
	if f == nil {
		p.fault("VaryBy(%q): the function is nil", name)
	}
	p.by = append(slices.Clip(p.by), varyFunc{name, f})
	return p
}

// PerUser keeps a page for each user. A request of nobody bypasses the cache. It needs Config.User.
func (p Policy) PerUser() Policy {
	p.perUser = true
	return p
}

// Public says that the page is the same for everyone, signed in or not. Without it a request of a known user
// bypasses the cache. It says nothing to browsers and CDNs.
func (p Policy) Public() Policy {
	p.public = true
	return p
}

// StatusFor keeps answers with one of these status codes too, for ttl. Without it only 200 is kept. With
// code 200 it does the same as For.
func (p Policy) StatusFor(ttl time.Duration, codes ...int) Policy {
	if ttl <= 0 {
		p.fault("StatusFor(%s): the time to live must be positive", ttl)
	}
	if len(codes) == 0 {
		p.fault("StatusFor(%s): no status code is given", ttl)
	}
	p.statuses = slices.Clone(p.statuses)
	for _, code := range codes {
		p.statuses = append(p.statuses, statusTTL{code, ttl})
	}
	return p
}

// MaxBytes bounds the entry, headers and body together. A larger answer goes to the client as it is written and is
// not kept. The default is 1 MiB.
func (p Policy) MaxBytes(n int64) Policy {
	if n <= 0 {
		p.fault("MaxBytes(%d): the limit must be positive", n)
	}
	p.maxBytes = n
	return p
}

// Jitter shortens each entry's time to live by a random part of up to fraction, so that entries made together do not
// expire together. 0 means none; the default is 0.1.
func (p Policy) Jitter(fraction float64) Policy {
	if !(fraction >= 0 && fraction < 1) {
		p.fault("Jitter(%v): the fraction must be at least 0 and less than 1", fraction)
	}
	p.jitter, p.hasJit = fraction, true
	return p
}

// extend appends without sharing the old slice's spare room with another policy.
func extend(old, more []string) []string { return append(slices.Clip(old), more...) }

// withDefaults returns the policy with every zero replaced by what it stands for, and every set in one order.
func (p Policy) withDefaults() Policy {
	if p.ttl == 0 {
		p.ttl = DefaultTTL
	}
	if p.maxBytes == 0 {
		p.maxBytes = DefaultMaxBytes
	}
	if !p.hasJit {
		p.jitter, p.hasJit = DefaultJitter, true
	}
	p.headers = slices.Sorted(slices.Values(p.headers))
	p.names = slices.Sorted(slices.Values(p.names))
	p.literal = literals(p.names)
	p.cookies = slices.Sorted(slices.Values(p.cookies))
	return p
}

// ttlFor returns for how long an answer with this status code is kept, and whether it is.
func (p *Policy) ttlFor(code int) (time.Duration, bool) {
	for _, s := range p.statuses {
		if s.code == code {
			return s.ttl, true
		}
	}
	return p.ttl, code == http.StatusOK
}

// keepsQuery reports whether a query parameter of this name is part of the key.
func (p *Policy) keepsQuery(name string) bool {
	switch p.query {
	case queryOnly:
		return slices.Contains(p.names, name)
	case queryExcept:
		return !matchesAny(p.names, name)
	default:
		return true
	}
}

// matchesAny reports whether name is one of patterns, of which any may end in "*".
func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if stem, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, stem) || pattern == name {
			return true
		}
	}
	return false
}
