package response_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/response"
)

const day = 24 * time.Hour

// Every builder, with what it makes of the header and of String.
func TestCacheControl(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		policy     response.Policy
		want, text string
	}{
		{response.Policy{}, "no-cache", "NoCache()"},
		{response.NoCache(), "no-cache", "NoCache()"},
		{response.NoCache().MustRevalidate(), "no-cache, must-revalidate", "NoCache().MustRevalidate()"},
		{response.NoCache().StaleIfError(day), "no-cache, stale-if-error=86400", "NoCache().StaleIfError(24h0m0s)"},
		{response.NoStore(), "no-store", "NoStore()"},
		{response.NoStore().MustRevalidate(), "no-store", "NoStore().MustRevalidate()"},
		{response.Public(day), "public, max-age=86400", "Public(24h0m0s)"},
		{response.Public(0), "public, max-age=0", "Public(0s)"},
		{response.Public(1999 * time.Millisecond), "public, max-age=1", "Public(1.999s)"},
		{response.Private(time.Minute), "private, max-age=60", "Private(1m0s)"},
		{response.Public(time.Minute).Shared(time.Hour), "public, max-age=60, s-maxage=3600", "Public(1m0s).Shared(1h0m0s)"},
		{response.Public(time.Minute).Shared(0), "public, max-age=60, s-maxage=0", "Public(1m0s).Shared(0s)"},
		{response.Public(day).Immutable(), "public, max-age=86400, immutable", "Public(24h0m0s).Immutable()"},
		{response.Private(day).MustRevalidate(), "private, max-age=86400, must-revalidate", "Private(24h0m0s).MustRevalidate()"},
		{
			response.Public(time.Minute).StaleWhileRevalidate(30 * time.Second).StaleIfError(day),
			"public, max-age=60, stale-while-revalidate=30, stale-if-error=86400",
			"Public(1m0s).StaleWhileRevalidate(30s).StaleIfError(24h0m0s)",
		},
		{
			response.Public(time.Minute).StaleIfError(day).ETag().Vary("accept-language", "X-A", "Accept-Language").Immutable(),
			"public, max-age=60, immutable, stale-if-error=86400",
			`Public(1m0s).Immutable().StaleIfError(24h0m0s).Vary("Accept-Language", "X-A").ETag()`,
		},
		{response.Public(time.Minute).Shared(time.Second).Shared(time.Hour), "public, max-age=60, s-maxage=3600", "Public(1m0s).Shared(1h0m0s)"},
		{response.Public(time.Minute).Shared(time.Hour).Personal(), "private, max-age=60", "Private(1m0s).Personal()"},
		{response.NoCache().Personal(), "private, no-cache", "NoCache().Personal()"},
		{response.NoStore().Personal(), "no-store", "NoStore().Personal()"},
		{response.Public(time.Hour).Shared(2 * time.Hour).Within(90 * time.Second), "public, max-age=90, s-maxage=90", "Public(1m30s).Shared(1m30s)"},
		{response.Public(time.Minute).Shared(time.Hour).Within(5 * time.Minute), "public, max-age=60, s-maxage=300", "Public(1m0s).Shared(5m0s)"},
		{response.Private(time.Minute).Within(-time.Second), "private, max-age=0", "Private(0s)"},
		{response.NoCache().Within(time.Second), "no-cache", "NoCache()"},
	} {
		if got := row.policy.CacheControl(); got != row.want {
			t.Errorf("%s: %q, want %q", row.text, got, row.want)
		}
		if got := row.policy.String(); got != row.text {
			t.Errorf("%s: String is %s", row.text, got)
		}
		if err := row.policy.Validate(); err != nil {
			t.Errorf("%s: %v", row.text, err)
		}
	}
}

// Every mistake is told, with the call, the value and what to do.
func TestValidate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		policy response.Policy
		want   []string // one for each mistake, in order
	}{
		{response.Public(-time.Second), []string{"Public(-1s): the duration is negative: use 0 or more"}},
		{response.Private(time.Millisecond), []string{
			"Private(1ms): the header counts whole seconds, and this would become 0: use 0 or at least 1s",
		}},
		{response.Public(1).Shared(-1).StaleWhileRevalidate(-2).StaleIfError(3), []string{
			"Public(1ns): the header", "Shared(-1ns): the duration", "StaleWhileRevalidate(-2ns): the duration", "StaleIfError(3ns): the header",
		}},
		{response.Public(day).Shared(-1).Shared(day), []string{"Shared(-1ns)"}}, // a mistake stays one
		{response.Private(day).Shared(time.Hour), []string{"Shared(1h0m0s) on Private(24h0m0s): "}},
		{response.NoStore().Shared(day), []string{"Shared(24h0m0s) on NoStore(): "}},
		{response.NoCache().Shared(0), []string{"Shared(0s) on NoCache(): "}},
		{response.NoStore().Immutable(), []string{"Immutable() on NoStore(): "}},
		{response.NoCache().Immutable(), []string{"Immutable() on NoCache(): "}},
		{response.NoStore().StaleIfError(day).StaleWhileRevalidate(0), []string{
			"StaleWhileRevalidate(0s) on NoStore(): ", "StaleIfError(24h0m0s) on NoStore(): ",
		}},
		{response.NoCache().StaleWhileRevalidate(day), []string{"StaleWhileRevalidate(24h0m0s) on NoCache(): "}},
		{response.Public(day).MustRevalidate().StaleIfError(day), []string{
			"MustRevalidate and StaleIfError(24h0m0s) contradict each other",
		}},
		{response.Public(day).StaleWhileRevalidate(day).MustRevalidate(), []string{
			"MustRevalidate and StaleWhileRevalidate(24h0m0s) contradict each other",
		}},
		{response.Public(day).Vary(""), []string{`Vary(""): a name is empty; leave it out`}},
		{response.Public(day).Vary("*"), []string{`Vary("*"): no cache could use such an answer; use NoStore, or name the headers`}},
		{response.Public(day).Vary("a, b", "X\r\nY"), []string{`Vary("a, b"): not the name of a header`, `Vary("X\r\nY"): `}},
	} {
		err := row.policy.Validate()
		if err == nil {
			t.Errorf("%s: no error, want %q", row.policy, row.want)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		ok := len(lines) == len(row.want)
		for i := 0; ok && i < len(lines); i++ {
			ok = strings.HasPrefix(lines[i], "response: policy: "+row.want[i])
		}
		if !ok {
			t.Errorf("%s: -want +got\n%s", row.policy, cmp.Diff(row.want, lines))
		}
		if again := row.policy.Validate(); again.Error() != err.Error() {
			t.Errorf("%s: another verdict the second time: %v", row.policy, again)
		}
	}
}

// Deriving leaves the policy alone that it began with, and two policies from one root do not share memory.
func TestPoliciesAreValues(t *testing.T) {
	t.Parallel()
	root := response.Public(day).Vary("A", "B", "C")
	text := root.String()
	one, two := root.Vary("D").Shared(-1), root.Vary("E").Vary("F").Shared(-2)
	_ = root.Immutable().MustRevalidate().ETag().StaleIfError(-1).Personal().Within(0)
	root.Varies()[0] = "X"
	if root.String() != text || root.Validate() != nil {
		t.Errorf("the root has become %s (%v)", root, root.Validate())
	}
	if d := cmp.Diff([]string{"A", "B", "C", "D"}, one.Varies()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"A", "B", "C", "E", "F"}, two.Varies()); d != "" {
		t.Error(d)
	}
	one = one.Shared(-1).Shared(-1) // three mistakes, and room for a fourth
	three := one.StaleIfError(-3)
	_ = one.StaleIfError(-4)
	if e := fmt.Sprint(three.Validate()); !strings.Contains(e, "-3ns") || strings.Contains(e, "-4ns") {
		t.Errorf("mistakes are shared: %s", e)
	}
	if root.WantsETag() || !root.ETag().WantsETag() {
		t.Error("ETag")
	}
}

// anyPolicy draws a policy, valid or not.
func anyPolicy(t *rapid.T) response.Policy {
	d := func() time.Duration { return time.Duration(rapid.Int64Range(0, int64(400*day)).Draw(t, "d")) }
	p := rapid.SampledFrom([]response.Policy{response.Public(d()), response.Private(d()), response.NoCache(), response.NoStore()}).Draw(t, "root")
	steps := []func(){
		func() { p = p.Shared(d()) },
		func() { p = p.Immutable() },
		func() { p = p.MustRevalidate() },
		func() { p = p.StaleWhileRevalidate(d()) },
		func() { p = p.StaleIfError(d()) },
		func() { p = p.Personal() },
		func() { p = p.Within(d()) },
	}
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(steps)-1), 0, 5).Draw(t, "steps") {
		steps[i]()
	}
	return p
}

// A strict parser, which is not ours, reads what we write: a dictionary of structured fields (RFC 9651). (Cache-Control is
// older than those, and what it may hold is a superset.)
func TestCacheControlIsADictionary(t *testing.T) {
	t.Parallel()
	known := map[string]bool{ // to whether it has a value
		"public": false, "private": false, "no-store": false, "no-cache": false, "immutable": false, "must-revalidate": false,
		"max-age": true, "s-maxage": true, "stale-while-revalidate": true, "stale-if-error": true,
	}
	rapid.Check(t, func(rt *rapid.T) {
		control := anyPolicy(rt).CacheControl()
		parsed, err := httpsfv.UnmarshalDictionary([]string{control})
		if err != nil {
			rt.Fatalf("%s: %v", control, err)
		}
		if n := strings.Count(control, ",") + 1; n != len(parsed.Names()) {
			rt.Errorf("%s: %d directives, %d names", control, n, len(parsed.Names()))
		}
		for _, name := range parsed.Names() {
			valued, ok := known[name]
			member, _ := parsed.Get(name)
			item, _ := member.(httpsfv.Item)
			seconds, isNumber := item.Value.(int64)
			if !ok || valued != isNumber || seconds < 0 || !isNumber && item.Value != true {
				rt.Errorf("%s: %s is %v", control, name, item.Value)
			}
		}
		_, public := parsed.Get("public")
		if _, private := parsed.Get("private"); public && private {
			rt.Errorf("%s: public and private", control)
		}
	})
}

// Shortening the text gives what shortening the policy gives.
func TestCapIsWithin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := anyPolicy(rt)
		left := time.Duration(rapid.Int64Range(-int64(day), int64(400*day)).Draw(rt, "left"))
		if got, want := response.Cap(p.CacheControl(), left), p.Within(left).CacheControl(); got != want {
			rt.Errorf("%s within %s: %s, want %s", p, left, got, want)
		}
	})
}

func TestCap(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ control, want string }{
		{"", ""},
		{"no-cache", "no-cache"},
		{"max-age=60", "max-age=60"},
		{"max-age=61", "max-age=60"},
		{"public, MAX-AGE = 99,s-maxage=\"100\",x", "public, MAX-AGE = 60,s-maxage=\"60\",x"},
		{"max-age=00000000000000000000059", "max-age=00000000000000000000059"},
		{"max-age=99999999999999999999999", "max-age=60"},
		{"max-age=-1, max-age=x, max-age=, max-age", "max-age=-1, max-age=x, max-age=, max-age"},
		{`x="a, max-age=99, \", max-age=99", max-age=99`, `x="a, max-age=99, \", max-age=99", max-age=60`},
		{"stale-while-revalidate=99, xmax-age=99, max-agex=99", "stale-while-revalidate=99, xmax-age=99, max-agex=99"},
		{"max-age=70, max-age=80", "max-age=60, max-age=60"},
	} {
		if got := response.Cap(row.control, time.Minute+999*time.Millisecond); got != row.want {
			t.Errorf("%q: %q, want %q", row.control, got, row.want)
		}
	}
	if got := response.Cap("max-age=5", -time.Second); got != "max-age=0" {
		t.Error(got)
	}
}
