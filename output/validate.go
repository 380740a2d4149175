package output

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/echocache/echocache/store"
)

// fault keeps a mistake until Validate.
func (p *Policy) fault(format string, args ...any) {
	p.faults = append(slices.Clip(p.faults), fmt.Sprintf(format, args...))
}

// Validate returns all mistakes of the policy, each with what was given and how to mend it, or nil.
func (p Policy) Validate() error {
	p.faults = slices.Clone(p.faults)
	if p.off {
		return p.verdict()
	}
	p.checkTags()
	p.checkHeaders()
	p.checkNames("VaryQuery or IgnoreQuery", p.names)
	p.checkNames("VaryCookie", p.cookies)
	p.checkNames("VaryValue", p.values)
	p.checkStatuses()
	for i, v := range p.by {
		if v.name == "" {
			p.fault("VaryBy: a name is empty: give each function a name, it is part of the key")
		}
		if slices.ContainsFunc(p.by[:i], func(o varyFunc) bool { return o.name == v.name }) {
			p.fault("VaryBy(%q): the name is used twice", v.name)
		}
	}
	if p.compress && slices.Contains(p.headers, "Accept-Encoding") {
		p.fault(`Compress and VaryHeader("Accept-Encoding") exclude each other: one entry serves all encodings; leave out VaryHeader`)
	}
	if p.perUser && p.public {
		p.fault("PerUser and Public exclude each other: a page is each user's own or the same for all")
	}
	return p.verdict()
}

func (p *Policy) verdict() error {
	if len(p.faults) == 0 {
		return nil
	}
	errs := make([]error, len(p.faults))
	for i, f := range p.faults {
		errs[i] = errors.New("output: policy: " + f)
	}
	return errors.Join(errs...)
}

func (p *Policy) checkTags() {
	if n := len(p.tags) + implicitTags; n > store.MaxTags {
		p.fault("Tag: %d tags, with the %d of the cache's own more than %d", n-implicitTags, implicitTags, store.MaxTags)
	}
	for _, t := range p.tags {
		if _, err := parseTemplate(t); err != nil {
			p.fault("Tag(%q): %v", t, err)
		}
	}
}

func (p *Policy) checkHeaders() {
	p.checkNames("VaryHeader", p.headers)
	for _, h := range p.headers {
		switch {
		case h == "Cookie":
			p.fault(`VaryHeader("Cookie"): every client has its own: use VaryCookie with the names that matter`)
		case h == "Authorization":
			p.fault(`VaryHeader("Authorization"): use PerUser with Config.User`)
		case h == "Host":
			p.fault(`VaryHeader("Host"): the host is always part of the key; leave it out`)
		case h != "" && !isToken(h):
			p.fault("VaryHeader(%q): not the name of a header", h)
		case hopByHop(h):
			p.fault("VaryHeader(%q): a header of the connection, not of the request; leave it out", h)
		}
	}
}

// checkNames finds empty names and names given twice.
func (p *Policy) checkNames(method string, names []string) {
	for i, n := range names {
		if n == "" {
			p.fault("%s: a name is empty; leave it out", method)
		} else if slices.Contains(names[:i], n) {
			p.fault("%s: %q is given twice", method, n)
		}
	}
}

func (p *Policy) checkStatuses() {
	for i, s := range p.statuses {
		switch {
		case http.StatusText(s.code) == "":
			p.fault("StatusFor(%s, %d): not a known status code", s.ttl, s.code)
		case s.code < 200 || s.code == http.StatusPartialContent || s.code == http.StatusNotModified:
			p.fault("StatusFor(%s, %d): such an answer is only a part of one and cannot be kept", s.ttl, s.code)
		}
		if slices.ContainsFunc(p.statuses[:i], func(o statusTTL) bool { return o.code == s.code }) {
			p.fault("StatusFor(%s, %d): the code is given twice", s.ttl, s.code)
		}
	}
}

// String returns the policy as the calls that make it, complete enough to tell two policies apart.
func (p Policy) String() string {
	if p.off {
		return "Off()"
	}
	p = p.withDefaults()
	var b strings.Builder
	fmt.Fprintf(&b, "For(%s)", p.ttl)
	call := func(name string, args []string) {
		if len(args) > 0 {
			fmt.Fprintf(&b, ".%s(%s)", name, quoted(args))
		}
	}
	if p.public {
		b.WriteString(".Public()")
	}
	if p.perUser {
		b.WriteString(".PerUser()")
	}
	call("Tag", p.tags)
	call("VaryHeader", p.headers)
	switch p.query {
	case queryOnly:
		fmt.Fprintf(&b, ".VaryQuery(%s)", quoted(p.names))
	case queryWhole:
	case queryExcept:
		fmt.Fprintf(&b, ".IgnoreQuery(%s)", quoted(p.names))
	}
	call("VaryCookie", p.cookies)
	call("VaryValue", p.values)
	for _, v := range p.by {
		call("VaryBy", []string{v.name})
	}
	for _, s := range p.statuses {
		fmt.Fprintf(&b, ".StatusFor(%s, %d)", s.ttl, s.code)
	}
	if p.maxBytes != DefaultMaxBytes {
		fmt.Fprintf(&b, ".MaxBytes(%d)", p.maxBytes)
	}
	if p.jitter != DefaultJitter {
		fmt.Fprintf(&b, ".Jitter(%v)", p.jitter)
	}
	if p.compress {
		b.WriteString(".Compress()")
	}
	if p.revalidate > 0 {
		fmt.Fprintf(&b, ".StaleWhileRevalidate(%s)", p.revalidate)
	}
	if p.ifError > 0 {
		fmt.Fprintf(&b, ".StaleIfError(%s)", p.ifError)
	}
	if p.fleet {
		b.WriteString(".CollapseFleet()")
	}
	return b.String()
}

func quoted(args []string) string {
	q := make([]string, len(args))
	for i, a := range args {
		q[i] = strconv.Quote(a)
	}
	return strings.Join(q, ", ")
}
