package output_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
)

func TestQuery(t *testing.T) {
	t.Parallel()
	whole := output.For(time.Minute)
	only, except := whole.VaryQuery("q", "a b"), whole.IgnoreQuery("utm_*", "q")
	for name, row := range map[string]struct {
		policy    output.Policy
		raw, want string
	}{
		"nothing":                    {whole, "", ""},
		"in order":                   {whole, "a=1&b=2", "a=1&b=2"},
		"out of order":               {whole, "b=2&a=1", "a=1&b=2"},
		"values keep theirs":         {whole, "b=2&a=9&a=1", "a=9&a=1&b=2"},
		"empty parameters":           {whole, "&&b=2&&a=1&", "a=1&b=2"},
		"only separators":            {whole, "&&", ""},
		"a separator at the end":     {whole, "=1&", "=1"},
		"as it was written":          {whole, "b=%41+%zz&a=é", "a=é&b=%41+%zz"},
		"by the unescaped name":      {whole, "%62=1&a=2&b=3", "a=2&%62=1&b=3"},
		"a plus in a name":           {whole, "b=1&+=2", "+=2&b=1"},
		"a plus among names":         {whole, "!=1&+=2", "+=2&!=1"},
		"no value":                   {whole, "b&a", "a&b"},
		"no name":                    {whole, "b=1&=2", "=2&b=1"},
		"a semicolon":                {whole, "b;a=1&a=1", "a=1&b;a=1"},
		"a name that is no escape":   {whole, "b=1&%zz=2", "%zz=2&b=1"},
		"only one":                   {only, "z=1&q=1&r=2", "q=1"},
		"only one, spelt oddly":      {only, "%71=1&Q=2&r=3", "%71=1"},
		"only one with a space":      {only, "a+b=1&a%20b=2&a=3", "a+b=1&a%20b=2"},
		"only one behind a stop":     {only, "x;q=1&q=2", "q=2"},
		"only one, and a bad escape": {only, "%zzq=1&q=%zz", "q=%zz"},
		"none":                       {whole.VaryQuery(), "q=1", ""},
		"only what is a byte longer": {whole.VaryQuery("number", "numbers1"), "numbers11=1", ""},
		"only what ends otherwise":   {whole.VaryQuery("number", "numbers1"), "numberz=12", ""},
		"all but one":                {except, "q=1&p=2", "p=2"},
		"all but a family":           {except, "utm_source=a&p=2&utm_=b&utm=c", "p=2&utm=c"},
		"all but one, spelt oddly":   {except, "%75tm_x=1&%71=1&p=2", "p=2"},
		"all but, and a bad escape":  {except, "%zz=1&q=2", "%zz=1"},
	} {
		if got := row.policy.Canonical(row.raw); got != row.want {
			t.Errorf("%s: %q gives %q, not %q", name, row.raw, got, row.want)
		}
	}
}

// A sort that is stable for few parameters only is not stable.
func TestQueryKeepsTheOrderOfManyValues(t *testing.T) {
	t.Parallel()
	var raw, want []string
	for i := range 100 {
		raw = append(raw, fmt.Sprintf("q=%d", i), fmt.Sprintf("p=%d", i))
		want = append(want, fmt.Sprintf("q=%d", i))
	}
	got := output.For(time.Minute).Canonical(strings.Join(raw, "&"))
	if _, values, _ := strings.Cut(got, "q="); "q="+values != strings.Join(want, "&") {
		t.Error(got)
	}
}

// choice is a policy as far as queries go, and what it keeps in the words of the test.
type choice struct {
	policy output.Policy
	keeps  func(name string) bool
}

func choices() []choice {
	base := output.For(time.Minute)
	numbers := []string{"number", "numbers", "numbers1", "numbers2"} // with their "=" a byte less than a word, a word, and more
	return []choice{
		{base, func(string) bool { return true }},
		{base.VaryQuery("q", "é"), func(name string) bool { return name == "q" || name == "é" }},
		{base.VaryQuery(numbers...), func(name string) bool { return slices.Contains(numbers, name) }},
		{base.VaryQuery(), func(string) bool { return false }},
		{base.IgnoreQuery("q", "u*"), func(name string) bool { return name != "q" && !strings.HasPrefix(name, "u") }},
	}
}

// queryFault says what is wrong with a canonical form: it must mean to net/url what the query means, less what the
// policy hides; be its own canonical form; and not depend on the order of parameters with different names.
func queryFault(canonical func(p output.Policy, raw string) string, c choice, raw string) error {
	got := canonical(c.policy, raw)
	want, _ := url.ParseQuery(raw) // what is valid of it
	for name := range want {
		if !c.keeps(name) {
			delete(want, name)
		}
	}
	meaning, _ := url.ParseQuery(got)
	if d := cmp.Diff(want, meaning); d != "" {
		return fmt.Errorf("%q means another query: -want +got\n%s", got, d)
	}
	for s := range strings.SplitSeq(got, "&") {
		name, _, _ := strings.Cut(s, "=")
		if plain, err := url.QueryUnescape(name); s != "" && err == nil && !c.keeps(plain) {
			return fmt.Errorf("%q shows %q", got, s)
		}
	}
	if again := canonical(c.policy, got); again != got {
		return fmt.Errorf("%q becomes %q", got, again)
	}
	if other := canonical(c.policy, reordered(raw)); other != got {
		return fmt.Errorf("%q, in another order %q", got, other)
	}
	return nil
}

// reordered returns the query with its names in descending order, and the values of each name in theirs.
func reordered(raw string) string {
	name := func(s string) string {
		s, _, _ = strings.Cut(s, "=")
		if plain, err := url.QueryUnescape(s); err == nil {
			return plain
		}
		return s
	}
	parts := strings.Split(raw, "&")
	slices.SortStableFunc(parts, func(a, b string) int { return strings.Compare(name(b), name(a)) })
	return strings.Join(parts, "&")
}

func drawQuery(t *rapid.T) string {
	part := rapid.SampledFrom([]string{
		"q=1", "q=2", "%71=3", "q", "p=1", "p=2", "u_x=1", "u", "%75=1", "é=1", "%C3%A9=2", "+=1", "%20=2", "", "=1", "=",
		"x;q=1", "%zz=1", "q=%zz", "Q=1", "a=b=c", "a%3D=1", "a%26q=1",
		"number=1", "numbers=1", "numbers1=1", "numbers2=1", "numbers3=1", "numbers11=1", "numberz=1", "numbes=1", "number",
	})
	return strings.Join(rapid.SliceOfN(part, 0, 5).Draw(t, "parts"), "&")
}

func TestI6_QueriesKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		raw := drawQuery(rt)
		for _, c := range choices() {
			if err := queryFault(output.Policy.Canonical, c, raw); err != nil {
				rt.Errorf("%s: %q: %v", c.policy, raw, err)
			}
		}
	})
}

// TestI6_QueryMutantsAreCaught brings queries into order in the ways that caches have got wrong.
func TestI6_QueryMutantsAreCaught(t *testing.T) {
	t.Parallel()
	right := output.Policy.Canonical
	for name, mutant := range map[string]func(p output.Policy, raw string) string{
		"as it is":       func(_ output.Policy, raw string) string { return raw },
		"all parameters": func(_ output.Policy, raw string) string { return right(output.Policy{}, raw) },
		"values in order": func(p output.Policy, raw string) string {
			return sortedQuery(right(p, raw))
		},
		"parsed and written": func(p output.Policy, raw string) string {
			values, _ := url.ParseQuery(right(p, raw))
			for name := range values {
				slices.Sort(values[name])
			}
			return values.Encode()
		},
		"the first value": func(p output.Policy, raw string) string {
			first := url.Values{}
			all, _ := url.ParseQuery(right(p, raw))
			for name := range all {
				first.Set(name, all.Get(name))
			}
			return first.Encode()
		},
		"lower case":   func(p output.Policy, raw string) string { return strings.ToLower(right(p, raw)) },
		"a semicolon":  func(p output.Policy, raw string) string { return right(p, strings.ReplaceAll(raw, ";", "&")) },
		"unescaped":    func(p output.Policy, raw string) string { return unescaped(right(p, raw)) },
		"names unread": func(p output.Policy, raw string) string { return right(p, strings.ReplaceAll(raw, "%71", "%7A")) },
	} {
		if findQueryFault(mutant) == nil {
			t.Errorf("a query that is %s is not noticed", name)
		}
	}
}

func findQueryFault(canonical func(p output.Policy, raw string) string) error {
	for seed := range 2000 {
		raw := rapid.Custom(drawQuery).Example(seed)
		for _, c := range choices() {
			if err := queryFault(canonical, c, raw); err != nil {
				return errors.Join(errors.New(raw), err)
			}
		}
	}
	return nil
}

func unescaped(raw string) string {
	plain, err := url.QueryUnescape(raw)
	if err != nil {
		return raw
	}
	return plain
}

// FuzzQuery brings any query into order.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"b=2&a=1", "&&", "%71=1&q=2", "x;q=1", "%zz=1&q=%zz", "+=1&%20=2", "é=1", "=", "q=1&q=0&p"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if len(raw) > 4096 {
			t.Skip("a key has no place for it")
		}
		for _, c := range choices() {
			if err := queryFault(output.Policy.Canonical, c, raw); err != nil {
				t.Errorf("%s: %q: %v", c.policy, raw, err)
			}
		}
	})
}
