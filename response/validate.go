package response

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fault keeps a mistake until Validate.
func (p *Policy) fault(format string, args ...any) {
	p.faults = append(slices.Clip(p.faults), fmt.Sprintf(format, args...))
}

// check finds durations that cannot be told.
func (p *Policy) check(method string, d time.Duration) {
	switch {
	case d < 0:
		p.fault("%s(%s): the duration is negative: use 0 or more", method, d)
	case d > 0 && d < time.Second:
		p.fault("%s(%s): the header counts whole seconds, and this would become 0: use 0 or at least 1s", method, d)
	}
}

// Validate returns all mistakes of the policy, each with what was given and how to mend it, or nil.
func (p Policy) Validate() error {
	p.checkKind()
	if p.mustRevalidate {
		for _, c := range p.stale() {
			p.fault("MustRevalidate and %s contradict each other: one forbids stale answers, the other allows them; use one", c)
		}
	}
	for _, name := range p.vary {
		switch {
		case name == "":
			p.fault(`Vary(""): a name is empty; leave it out`)
		case name == "*":
			p.fault(`Vary("*"): no cache could use such an answer; use NoStore, or name the headers`)
		case !isToken(name):
			p.fault("Vary(%q): not the name of a header; use its name alone, such as Accept-Language", name)
		}
	}
	if len(p.faults) == 0 {
		return nil
	}
	errs := make([]error, len(p.faults))
	for i, f := range p.faults {
		errs[i] = errors.New("response: policy: " + f)
	}
	return errors.Join(errs...)
}

// checkKind finds what contradicts the way the policy began.
func (p *Policy) checkKind() {
	if p.shared.set && p.kind != kindPublic {
		p.fault("Shared(%s) on %s: shared caches may not use it by themselves; use Public, or leave Shared out", p.shared.d, p.begin())
	}
	var idle []string
	switch p.kind {
	case kindPublic, kindPrivate:
		return
	case kindNoStore:
		idle = p.stale()
	case kindNoCache:
		if p.whileRevalid.set {
			idle = []string{call("StaleWhileRevalidate", p.whileRevalid.d)}
		}
	}
	if p.immutable {
		idle = append(idle, "Immutable()")
	}
	for _, c := range idle {
		p.fault("%s on %s: nobody may use such an answer without asking; use Public or Private, or leave it out", c, p.begin())
	}
}

// stale returns the calls that allow to use a stale answer.
func (p *Policy) stale() []string {
	var calls []string
	if p.whileRevalid.set {
		calls = append(calls, call("StaleWhileRevalidate", p.whileRevalid.d))
	}
	if p.ifError.set {
		calls = append(calls, call("StaleIfError", p.ifError.d))
	}
	return calls
}

func call(name string, d time.Duration) string { return name + "(" + d.String() + ")" }

// begin returns the call that makes a policy of this kind.
func (p *Policy) begin() string {
	switch p.kind {
	case kindPublic:
		return call("Public", p.age)
	case kindPrivate:
		return call("Private", p.age)
	case kindNoStore:
		return "NoStore()"
	default:
		return "NoCache()"
	}
}

// String returns the policy as the calls that make it.
func (p Policy) String() string {
	calls := []string{p.begin()}
	if p.shared.set {
		calls = append(calls, call("Shared", p.shared.d))
	}
	if p.immutable {
		calls = append(calls, "Immutable()")
	}
	if p.mustRevalidate {
		calls = append(calls, "MustRevalidate()")
	}
	calls = append(calls, p.stale()...)
	if len(p.vary) > 0 {
		quoted := make([]string, len(p.vary))
		for i, name := range p.vary {
			quoted[i] = strconv.Quote(name)
		}
		calls = append(calls, "Vary("+strings.Join(quoted, ", ")+")")
	}
	if p.etag {
		calls = append(calls, "ETag()")
	}
	if p.personal {
		calls = append(calls, "Personal()")
	}
	return strings.Join(calls, ".")
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
