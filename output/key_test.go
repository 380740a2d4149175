package output_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
)

// asked is a request as the parts of it that a key may hold. The texts are drawn from few, so that two of them meet,
// and from those that a separator would confuse.
type asked struct {
	Route, Scheme, Host, Path, RawPath, Query, User, Tenant string

	Headers, Cookies []string
}

func drawAsked(t *rapid.T) asked {
	text := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	lines := func(label string, from ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(from), 0, 2).Draw(t, label)
	}
	return asked{
		Route:   text("route", "/a/:id", "/a/", "/a"),
		Scheme:  text("scheme", "http", "https"),
		Host:    text("host", "h", "h:80", "H", ""),
		Path:    text("path", "/a/1", "/a/1/", "/A/1", "/a/", "/a/%31", "/a/b/c"),
		RawPath: text("raw path", "", "/a/%31", "/a/b%2Fc", "/a/b%2fc"),
		Query: text("query", "", "q=1", "q=1&q=2", "q=2&q=1", "q=1&r=2", "r=2&q=1", "q=1;r=2", "q=%zz", "q=%31", "q", "q=",
			"q=1&", "Q=1", "q=1%26r=2", "+q=1", "%71=1"),
		User:    text("user", "u", "v", "uv"),
		Tenant:  text("tenant", "t", "tu"),
		Headers: lines("headers", "a", "b", "a,b", "a, b", "", "A"),
		Cookies: lines("cookies", "c=1", "c=1; c=2", "c=2; c=1", "d=1", "c=1; d=2", `c="1"`, "c"),
	}
}

// request returns the request, as net/http would hand it over.
func (a asked) request() *http.Request {
	r := &http.Request{
		Method: http.MethodGet, Host: a.Host, Header: http.Header{},
		URL: &url.URL{Path: a.Path, RawPath: a.RawPath, RawQuery: a.Query},
	}
	if len(a.Headers) > 0 {
		r.Header["X-Vary"] = a.Headers
	}
	if len(a.Cookies) > 0 {
		r.Header["Cookie"] = a.Cookies
	}
	return r
}

// exchange is a door that says what it is told.
type exchange struct{ asked }

func (x exchange) Route() string                    { return x.asked.Route }
func (x exchange) Scheme(bool) string               { return x.asked.Scheme }
func (x exchange) User() string                     { return x.asked.User }
func (x exchange) Param(string) (string, bool)      { return "", false }
func (x exchange) Value(name string) (string, bool) { return x.Tenant, name == "tenant" }
func (x exchange) Next(*http.Request) error         { return nil }
func (x exchange) Fill(*output.Fill) error          { return nil }
func (x exchange) Reveal(*http.Request)             {}
func (x exchange) Unhide()                          {}
func (x exchange) ErrorStatus(error) int            { return 500 }
func (x exchange) Again() (http.Handler, *http.Request) {
	return http.NotFoundHandler(), httptest.NewRequest(http.MethodGet, "/", http.NoBody)
}
func (x exchange) Scratch() *output.Scratch { return new(output.Scratch) }

// keyPolicies are policies with something of every kind in the key.
func keyPolicies() []output.Policy {
	all := output.For(60e9).PerUser().VaryHeader("X-Vary").VaryCookie("c").VaryValue("tenant").
		VaryBy("method", func(r *http.Request) string { return r.Method })
	return []output.Policy{all, all.VaryQuery("q"), all.IgnoreQuery("r"), all.VaryQuery()}
}

// view is everything of a request that a handler can tell apart, written down.
func view(r *http.Request, a asked) string {
	return fmt.Sprintf("%q %q %q %q %q %q %q %q %q", a.Route, a.Scheme, r.Host, r.URL.Path, r.URL.RawPath, r.URL.RawQuery,
		r.Header["X-Vary"], r.Header["Cookie"], []string{a.User, a.Tenant})
}

// keyOf makes a key; broken ones stand in for it below.
type keyOf func(p output.Policy, a asked) (key string)

// collides draws two requests and reports whether they have one key although a handler can tell them apart.
func collides(t *testing.T, cache *output.Cache, key keyOf, a, b asked, p output.Policy) bool {
	t.Helper()
	door := output.Door{Identified: true, Values: []string{"tenant"}}
	_, seenA, errA := cache.KeyAndView(p, door, a.request(), exchange{a}, a.User)
	_, seenB, errB := cache.KeyAndView(p, door, b.request(), exchange{b}, b.User)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	return key(p, a) == key(p, b) && view(seenA, a) != view(seenB, b)
}

// mutate returns a request that differs from a in few things or in none: two that were drawn apart would hardly meet.
func mutate(t *rapid.T, a asked) asked {
	b, other := a, drawAsked(t)
	for _, change := range rapid.SliceOfN(rapid.IntRange(0, 9), 0, 2).Draw(t, "changes") {
		switch change {
		case 0:
			b.Route = other.Route
		case 1:
			b.Scheme = other.Scheme
		case 2:
			b.Host = other.Host
		case 3:
			b.Path = other.Path
		case 4:
			b.RawPath = other.RawPath
		case 5:
			b.Query = other.Query
		case 6:
			b.User = other.User
		case 7:
			b.Tenant = other.Tenant
		case 8:
			b.Headers = other.Headers
		case 9:
			b.Cookies = other.Cookies
		}
	}
	return b
}

func newCache(t *testing.T, c output.Config) *output.Cache {
	t.Helper()
	cache, err := output.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	return cache
}

// realKey is the key that the cache makes.
func realKey(t *testing.T, cache *output.Cache) keyOf {
	t.Helper()
	return func(p output.Policy, a asked) string {
		key, _, err := cache.KeyAndView(p, output.Door{Identified: true, Values: []string{"tenant"}}, a.request(), exchange{a}, a.User)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
}

func TestI6_KeysAreInjective(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	key := realKey(t, cache)
	for range 20 {
		rapid.Check(t, func(rt *rapid.T) {
			a := drawAsked(rt)
			b := mutate(rt, a)
			p := rapid.SampledFrom(keyPolicies()).Draw(rt, "policy")
			if collides(t, cache, key, a, b, p) {
				rt.Errorf("one key for %+v and %+v", a, b)
			}
			if again := key(p, a); again != key(p, a) {
				rt.Error("two keys for one request")
			}
		})
	}
}

// What is not the request's is in the key, too: cache, release, policy, namespace.
func TestI6_KeysTellCachesApart(t *testing.T) {
	t.Parallel()
	a := asked{Route: "/", Scheme: "http", Path: "/", User: "u", Tenant: "t"}
	base := keyPolicies()[0]
	keys := map[string]string{}
	for name, row := range map[string]struct {
		config output.Config
		policy output.Policy
	}{
		"the base":         {output.Config{}, base},
		"another name":     {output.Config{Name: "b"}, base},
		"another release":  {output.Config{Version: "2"}, base},
		"name and release": {output.Config{Name: "b2"}, base},
		"another policy":   {output.Config{}, base.VaryQuery("q")},
		"another life":     {output.Config{}, output.For(61e9).PerUser().VaryHeader("X-Vary").VaryCookie("c").VaryValue("tenant")},
		"other tags":       {output.Config{}, base.Tag("t")},
		"a status more":    {output.Config{}, base.StatusFor(1e9, 404)},
	} {
		key := realKey(t, newCache(t, row.config))(row.policy, a)
		if other, taken := keys[key]; taken {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[key] = name
	}
}

// TestI6_MutantsAreCaught makes keys in the ways that caches have got wrong. The check above must find each.
func TestI6_MutantsAreCaught(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	right := realKey(t, cache)
	without := func(change func(*asked)) keyOf {
		return func(p output.Policy, a asked) string {
			a.Headers, a.Cookies = slices.Clone(a.Headers), slices.Clone(a.Cookies)
			change(&a)
			return right(p, a)
		}
	}
	for name, key := range map[string]keyOf{
		"no host":           without(func(a *asked) { a.Host = "" }),
		"no scheme":         without(func(a *asked) { a.Scheme = "" }),
		"no route":          without(func(a *asked) { a.Route = "" }),
		"the decoded path":  without(func(a *asked) { a.RawPath = "" }),
		"a lower-case path": without(func(a *asked) { a.Path = strings.ToLower(a.Path) }),
		"no trailing slash": without(func(a *asked) { a.Path = strings.TrimRight(a.Path, "/") }),
		"a sorted query":    without(func(a *asked) { a.Query = sortedQuery(a.Query) }),
		"a parsed query":    without(func(a *asked) { a.Query = (&url.URL{RawQuery: a.Query}).Query().Encode() }),
		"joined headers":    without(func(a *asked) { a.Headers = []string{strings.Join(a.Headers, ",")} }),
		"the first cookie":  without(func(a *asked) { a.Cookies = a.Cookies[:min(1, len(a.Cookies))] }),
		"no user":           without(func(a *asked) { a.User = "u" }),
		"no tenant":         without(func(a *asked) { a.Tenant = "t" }),
		"fields run together": func(_ output.Policy, a asked) string {
			return a.Route + a.Scheme + a.Host + a.Path + a.RawPath + a.Query + strings.Join(a.Headers, "") +
				strings.Join(a.Cookies, "") + a.Tenant + a.User
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range 20_000 {
				pair := rapid.Custom(func(rt *rapid.T) [2]asked {
					a := drawAsked(rt)
					return [2]asked{a, mutate(rt, a)}
				}).Example(seed)
				if collides(t, cache, key, pair[0], pair[1], keyPolicies()[seed%4]) {
					return
				}
			}
			t.Error("no pair finds it")
		})
	}
}

func sortedQuery(q string) string {
	parts := strings.Split(q, "&")
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

// FuzzKey asks for any two paths, queries and headers.
func FuzzKey(f *testing.F) {
	f.Add("/a/1", "", "q=1", "a", "/a/%31", "/a/%31", "q=1&q=1", "a,b")
	f.Add("/", "", "a=1;b", "", "/", "", "a=1&b", "")
	f.Add("/", "", "%=&&", "\x80", "/", "", "%=", "")
	cache, err := output.New(output.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path1, raw1, query1, header1, path2, raw2, query2, header2 string) {
		a := asked{Path: path1, RawPath: raw1, Query: query1, Headers: []string{header1}, User: "u", Tenant: "t"}
		b := asked{Path: path2, RawPath: raw2, Query: query2, Headers: []string{header2}, User: "u", Tenant: "t"}
		if len(path1+raw1+query1+header1) > 4000 || len(path2+raw2+query2+header2) > 4000 {
			t.Skip("no key is so long")
		}
		for _, p := range keyPolicies() {
			if collides(t, cache, realKey(t, cache), a, b, p) {
				t.Errorf("one key for %+v and %+v", a, b)
			}
		}
	})
}
