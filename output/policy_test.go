package output_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// roomy is a policy whose every list was grown one by one, so that each has room to spare: what is derived from it would
// write into that room if policies shared it. Its mistakes are such a list, too.
func roomy() output.Policy {
	p := output.For(time.Minute)
	for i := range 5 {
		name := string(rune('a' + i))
		p = p.Tag(name).VaryHeader(name).VaryQuery(name).VaryCookie(name).VaryValue(name).VaryBy(name, method).
			StatusFor(time.Second, 400+i).MaxBytes(int64(-1 - i))
	}
	return p
}

// Two policies that are derived from one have nothing in common that the second could change in the first.
func TestDerivedPoliciesShareNothing(t *testing.T) {
	t.Parallel()
	for name, derive := range map[string]func(p output.Policy, name string, n int) output.Policy{
		"Tag":        func(p output.Policy, name string, _ int) output.Policy { return p.Tag(name) },
		"VaryHeader": func(p output.Policy, name string, _ int) output.Policy { return p.VaryHeader(name) },
		"VaryQuery":  func(p output.Policy, name string, _ int) output.Policy { return p.VaryQuery(name) },
		"VaryCookie": func(p output.Policy, name string, _ int) output.Policy { return p.VaryCookie(name) },
		"VaryValue":  func(p output.Policy, name string, _ int) output.Policy { return p.VaryValue(name) },
		"VaryBy":     func(p output.Policy, name string, _ int) output.Policy { return p.VaryBy(name, method) },
		"StatusFor":  func(p output.Policy, _ string, n int) output.Policy { return p.StatusFor(time.Second, n) },
		"a mistake":  func(p output.Policy, _ string, n int) output.Policy { return p.MaxBytes(int64(-n)) },
	} {
		base := roomy()
		said := func(p output.Policy) string { return fmt.Sprint(p, p.Validate()) }
		before := said(base)
		one := derive(base, "one", 410)
		first := said(one)
		two := said(derive(base, "two", 411))
		switch {
		case said(base) != before:
			t.Errorf("%s has changed what it was called on", name)
		case said(one) != first:
			t.Errorf("%s has changed another policy: -was +is\n%s", name, cmp.Diff(first, said(one)))
		case first == two || first == before:
			t.Errorf("%s does not show in the policy: %s", name, first)
		}
	}
}

// The names that a caller hands over remain the caller's.
func TestPolicyLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	names := []string{"accept-language", "b"}
	p := output.For(time.Minute).VaryHeader(names...).Tag(names...).VaryCookie(names...).VaryQuery(names...)
	before := p.String()
	if d := cmp.Diff([]string{"accept-language", "b"}, names); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	names[0] = "changed"
	if p.String() != before {
		t.Errorf("it was %s and is %s", before, p)
	}
}

// The text of a policy is part of every key: whatever changes what is kept must show in it, and nothing else.
func TestPolicyString(t *testing.T) {
	t.Parallel()
	base := output.For(time.Minute)
	seen := map[string]string{}
	for name, row := range map[string]struct {
		policy output.Policy
		want   string
	}{
		"a life":          {base, `For(1m0s)`},
		"off":             {output.Off().Tag("a"), `Off()`},
		"public":          {base.Public(), `For(1m0s).Public()`},
		"per user":        {base.PerUser(), `For(1m0s).PerUser()`},
		"tags":            {base.Tag("b", "a"), `For(1m0s).Tag("b", "a")`},
		"headers":         {base.VaryHeader("x-b", "X-a"), `For(1m0s).VaryHeader("X-A", "X-B")`},
		"a query":         {base.VaryQuery("b", "a"), `For(1m0s).VaryQuery("a", "b")`},
		"no query":        {base.VaryQuery(), `For(1m0s).VaryQuery()`},
		"less of a query": {base.IgnoreQuery("utm_*"), `For(1m0s).IgnoreQuery("utm_*")`},
		"cookies":         {base.VaryCookie("b", "a"), `For(1m0s).VaryCookie("a", "b")`},
		"values":          {base.VaryValue("b", "a"), `For(1m0s).VaryValue("b", "a")`},
		"functions":       {base.VaryBy("b", method).VaryBy("a", method), `For(1m0s).VaryBy("b").VaryBy("a")`},
		"a status":        {base.StatusFor(time.Second, 404, 410), `For(1m0s).StatusFor(1s, 404).StatusFor(1s, 410)`},
		"a limit":         {base.MaxBytes(9), `For(1m0s).MaxBytes(9)`},
		"jitter":          {base.Jitter(0.5), `For(1m0s).Jitter(0.5)`},
		"no jitter":       {base.Jitter(0), `For(1m0s).Jitter(0)`},
		"a quoted comma":  {base.Tag(`a", "b`), `For(1m0s).Tag("a\", \"b")`},
	} {
		if got := row.policy.String(); got != row.want {
			t.Errorf("%s: %s", name, got)
		}
		if other, taken := seen[row.policy.String()]; taken {
			t.Errorf("%s reads like %s", name, other)
		}
		seen[row.policy.String()] = name
	}
	// What stands for a default is the default.
	for _, same := range []output.Policy{{}, base.MaxBytes(output.DefaultMaxBytes), base.Jitter(output.DefaultJitter)} {
		if same.String() != base.String() {
			t.Errorf("%s is not %s", same, base)
		}
	}
}

// A mounted policy has every default filled in, and a door may ask for it.
func TestMountedPolicy(t *testing.T) {
	t.Parallel()
	m, err := newCache(t, output.Config{}).Mount(output.Policy{}, output.Door{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Policy().String(), output.For(output.DefaultTTL).String(); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// A header of the connection is no header of the request, whichever it is.
func TestNoPolicyVariesOnAHop(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"connection", "keep-alive", "Proxy-Connection", "Proxy-Authorization", "TE", "transfer-encoding", "trailer", "upgrade",
	} {
		if err := output.For(time.Minute).VaryHeader(name).Validate(); err == nil || !strings.Contains(err.Error(), "leave it out") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := output.For(time.Minute).VaryHeader("Accept", "X-Tenant", "Sec-Fetch-Mode").Validate(); err != nil {
		t.Error(err)
	}
}

// A mistake is the policy's, not the call's: it is told each time it is asked for, once, and in what is derived.
func TestMistakesStay(t *testing.T) {
	t.Parallel()
	p := output.For(time.Minute).Tag("").VaryHeader("Host")
	first := p.Validate()
	if again := p.Validate(); first == nil || again.Error() != first.Error() {
		t.Errorf("%v, then %v", first, again)
	}
	if derived := p.Public().Validate(); derived == nil || derived.Error() != first.Error() {
		t.Errorf("derived: %v", derived)
	}
	if err := output.Off().Tag("").Validate(); err != nil {
		t.Errorf("of a route that is not cached: %v", err)
	}
}
