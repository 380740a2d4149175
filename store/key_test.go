package store_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
)

func TestKey(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"product":              store.Key("product"),
		"product:7":            store.Key("product", 7),
		"product:-7":           store.Key("product", int64(-7)),
		"product:x7":           store.Key("product", "x7"),
		"product:":             store.Key("product", ""),
		"a:b:c":                store.Key("a", "b", "c"),
		"a:b%3Ac":              store.Key("a", "b:c"),
		"a%3Ab:c":              store.Key("a:b", "c"),
		"a:100%25":             store.Key("a", "100%"),
		"a:x%0Ay%00%7F":        store.Key("a", "x\ny\x00\x7f"),
		"a:ü€":                 store.Key("a", "ü€"),
		"price:1.5:true:[1 2]": store.Key("price", 1.5, true, []int{1, 2}),
		"e:the source is down": store.Key("e", errSource),
		"u8:255":               store.Key("u8", uint8(255)),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Different parts never give the same key, and no key has a control character.
func TestKeyIsInjective(t *testing.T) {
	t.Parallel()
	part := rapid.StringOfN(rapid.RuneFrom([]rune("a:%3A25\x00\n ")), 0, 6, -1)
	parts := rapid.SliceOfN(part, 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		ka, kb := key(a), key(b)
		if same := strings.Join(a, "\xff") == strings.Join(b, "\xff"); same != (ka == kb) {
			t.Errorf("%q → %q, %q → %q", a, ka, b, kb)
		}
		if strings.ContainsAny(ka, "\x00\n") {
			t.Errorf("%q", ka)
		}
	})
}

func key(parts []string) string {
	var ids []any
	for _, p := range parts[1:] {
		ids = append(ids, p)
	}
	return store.Key(parts[0], ids...)
}

// Values of two namespaces, and values and pages, never meet.
func TestI6_NamespacesAreApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, ns := range []string{"", "a", "ab", "a\x01b"} {
		s := store.New(nil, store.Config{Namespace: ns})
		for _, k := range []string{"k", "bk", "\x01bk", "a"} {
			full := s.Full(k)
			if other, taken := seen[full]; taken {
				t.Errorf("%q: %q and %q", full, ns+"/"+k, other)
			}
			seen[full] = ns + "/" + k
		}
	}
}
