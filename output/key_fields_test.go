package output_test

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// keyFields reads a key back: a key from which every field can be read again is the key of one row of fields only.
type keyFields struct {
	rest   string
	fields []string
}

func (k *keyFields) number() int {
	n, size := binary.Uvarint([]byte(k.rest))
	if size <= 0 || n > uint64(len(k.rest)) {
		k.rest, k.fields = "", append(k.fields, "broken")
		return 0
	}
	k.rest = k.rest[size:]
	return int(n)
}

func (k *keyFields) take(n int) string {
	n = min(n, len(k.rest))
	s := k.rest[:n]
	k.rest = k.rest[n:]
	return s
}

func (k *keyFields) text() { k.fields = append(k.fields, k.take(k.number())) }

func (k *keyFields) texts() {
	n := k.number()
	k.fields = append(k.fields, fmt.Sprint(n))
	for range n {
		k.text()
	}
}

// readBack takes the key of a request under readPolicy apart.
func readBack(key string) []string {
	k := &keyFields{rest: key}
	for range 4 { // kind, namespace, name, version
		k.text()
	}
	_ = k.take(1 + 16) // the wire version and the policy's fingerprint
	for range 6 {      // route, scheme, host, path, raw path, query
		k.text()
	}
	for range 3 { // two headers, a cookie
		k.texts()
	}
	for range 3 { // a value, a function, the user
		k.text()
	}
	return append(k.fields, k.rest)
}

func readPolicy() output.Policy {
	return output.For(time.Minute).PerUser().VaryHeader("X-Vary", "X-Second").VaryCookie("c").VaryValue("tenant").
		VaryBy("by", func(r *http.Request) string { return r.Header.Get("X-By") })
}

// drawText draws a text of any bytes and of a length on both sides of what one byte can tell.
func drawText(t *rapid.T, label string) string {
	s := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "\x00", "\x01", "\x02\x01", "\x80", "\xff\x01"})).Draw(t, label)
	return s + strings.Repeat("x", rapid.SampledFrom([]int{0, 0, 0, 0, 126, 127, 128, 129, 255, 256, 300}).Draw(t, label+" length"))
}

func TestI6_KeysCanBeReadBack(t *testing.T) {
	t.Parallel()
	shared := store.New(memstore.New(memstore.Config{}), store.Config{Namespace: "space"})
	t.Cleanup(func() { _ = shared.Close() })
	cache := newCache(t, output.Config{Name: "shop", Version: "v1", Store: shared})
	door := output.Door{Identified: true, Values: []string{"tenant"}}
	rapid.Check(t, func(rt *rapid.T) {
		a := asked{
			Route: drawText(rt, "route"), Scheme: "https", Host: drawText(rt, "host"), Path: drawText(rt, "path"),
			RawPath: drawText(rt, "raw path"), User: drawText(rt, "user"), Tenant: "t" + drawText(rt, "tenant"),
			Query: "q=" + url.QueryEscape(drawText(rt, "query")),
		}
		lines := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) string { return drawText(rt, "line") }), 0, 3)
		first, second, by := lines.Draw(rt, "first"), lines.Draw(rt, "second"), drawText(rt, "by")
		r := a.request()
		r.Header = http.Header{"X-Vary": first, "X-Second": second, "X-By": {by}, "Cookie": {"c=1; d=2", "c=\x02"}}
		key, _, err := cache.KeyAndView(readPolicy(), door, r, exchange{a}, a.User)
		if err != nil {
			rt.Fatal(err)
		}
		want := []string{"page", "space", "shop", "v1", a.Route, a.Scheme, a.Host, a.Path, a.RawPath, a.Query}
		for _, all := range [][]string{second, first, {"c=1", "c=\x02"}} { // in the order of their names
			want = append(append(want, fmt.Sprint(len(all))), all...)
		}
		want = append(want, a.Tenant, by, a.User, "")
		if d := cmp.Diff(want, readBack(key)); d != "" {
			rt.Errorf("-want +got\n%s", d)
		}
	})
}

// What a policy says of the page selects it, so every policy has keys of its own.
func TestI6_EveryPolicyHasItsKeys(t *testing.T) {
	t.Parallel()
	key := realKey(t, newCache(t, output.Config{}))
	seen := map[string]int{}
	for i := range 1000 {
		k := key(output.For(time.Duration(i+1)*time.Second), asked{Route: "/", Path: "/"})
		if other, taken := seen[k]; taken {
			t.Fatalf("For(%ds) has the keys of For(%ds)", i+1, other+1)
		}
		seen[k] = i
	}
}

// Requests that a handler cannot tell apart share a key, or a cache would be of little use.
func TestI6_EqualRequestsShareAKey(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	policy := output.For(time.Minute).VaryHeader("X-Vary", "X-B").VaryCookie("c").IgnoreQuery("utm_*")
	other := output.For(time.Minute).VaryHeader("x-b", "x-vary").VaryCookie("c").IgnoreQuery("utm_*")
	key := func(p output.Policy, change func(*http.Request)) string {
		a := asked{Route: "/", Scheme: "http", Host: "h", Path: "/", Query: "q=2&q=1&a=1", Headers: []string{"1"}, Cookies: []string{"c=1"}}
		r := a.request()
		change(r)
		k, _, err := cache.KeyAndView(p, output.Door{}, r, exchange{a}, "")
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	want := key(policy, func(*http.Request) {})
	for name, change := range map[string]func(*http.Request){
		"HEAD":                     func(r *http.Request) { r.Method = http.MethodHead },
		"another order":            func(r *http.Request) { r.URL.RawQuery = "a=1&q=2&q=1" },
		"an ignored parameter":     func(r *http.Request) { r.URL.RawQuery += "&utm_source=x" },
		"an undeclared header":     func(r *http.Request) { r.Header.Set("User-Agent", "x") },
		"a header without a line":  func(r *http.Request) { r.Header["X-B"] = []string{} },
		"an undeclared cookie":     func(r *http.Request) { r.Header.Set("Cookie", "d=2;c=1 ; e=3") },
		"somebody else's address":  func(r *http.Request) { r.RemoteAddr = "203.0.113.9:1" },
		"a precondition":           func(r *http.Request) { r.Header.Set("If-None-Match", `"a"`) },
		"a wish for a fresh page":  func(r *http.Request) { r.Header.Set("Cache-Control", "no-cache") },
		"another protocol version": func(r *http.Request) { r.Proto, r.ProtoMajor = "HTTP/2.0", 2 },
	} {
		if key(policy, change) != want {
			t.Errorf("%s: another key", name)
		}
	}
	if key(other, func(*http.Request) {}) != want {
		t.Error("a policy that names its headers in another order has other keys")
	}
}

// A key has at most 8 KiB, to the byte.
func TestI8_KeysAreBounded(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	length := func(host int) (int, error) {
		a := asked{Route: "/", Path: "/", Host: strings.Repeat("h", host)}
		key, _, err := cache.KeyAndView(output.For(time.Minute), output.Door{}, a.request(), exchange{a}, "")
		return len(key), err
	}
	short, err := length(4000)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := length(4000 + 8<<10 - short); err != nil || n != 8<<10 {
		t.Errorf("%d bytes: %v", n, err)
	}
	if _, err := length(4001 + 8<<10 - short); err == nil || err.Error() != "key-too-long" {
		t.Errorf("a byte more: %v", err)
	}
}
