package output_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

func expand(t *testing.T, tag string, s output.Scope) (string, error) {
	t.Helper()
	templates, err := output.ParseTemplates(tag)
	if err != nil {
		t.Fatal(err)
	}
	return templates[0].Expand(s)
}

// one returns a look-up that knows one name.
func one(name, value string) func(string) (string, bool) {
	return func(asked string) (string, bool) { return value, asked == name }
}

func TestTemplateExpands(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		tag   string
		scope output.Scope
		want  string
	}{
		"a plain tag":               {"catalog", output.Scope{}, "catalog"},
		"a parameter":               {"product:{id}", output.Scope{Param: one("id", "7")}, "product:7"},
		"an escaped one":            {"brand:{b}", output.Scope{Param: one("b", "Acme%20Co%2FInc")}, "brand:Acme Co/Inc"},
		"a plus is a plus":          {"q:{q}", output.Scope{Param: one("q", "a+b")}, "q:a+b"},
		"a value":                   {"t:{tenant}", output.Scope{Value: one("tenant", "a%20b")}, "t:a%20b"},
		"a parameter before values": {"x:{x}", output.Scope{Param: one("x", "p"), Value: one("x", "v")}, "x:p"},
		"the user":                  {"orders:{user}", output.Scope{User: "alice", Identified: true}, "orders:alice"},
		"a value named user":        {"o:{user}", output.Scope{Value: one("user", "v"), User: "alice", Identified: true}, "o:v"},
		"several":                   {"{a}{b}", output.Scope{Param: one("a", "1"), Value: one("b", "2")}, "12"},
		"what it holds is a text":   {"a:{a}", output.Scope{Param: one("a", "%7Bb%7D")}, "a:{b}"},
	} {
		if got, err := expand(t, row.tag, row.scope); got != row.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		tag     string
		scope   output.Scope
		unknown bool
	}{
		"an unknown name":        {"a:{b}", output.Scope{Param: one("a", "1")}, true},
		"nobody can tell":        {"a:{user}", output.Scope{}, true},
		"nobody is there":        {"a:{user}", output.Scope{Identified: true}, false},
		"an empty parameter":     {"a:{a}", output.Scope{Param: one("a", "")}, false},
		"an invalid escape":      {"a:{a}", output.Scope{Param: one("a", "%zz")}, false},
		"a reserved tag":         {"{a}", output.Scope{Param: one("a", "*all")}, false},
		"a route's tag":          {"{a}:x", output.Scope{Param: one("a", "r")}, false},
		"a line break":           {"a:{a}", output.Scope{Param: one("a", "x%0ay")}, false},
		"bytes that are no text": {"a:{a}", output.Scope{Param: one("a", "%ff")}, false},
		"too much":               {"a:{a}", output.Scope{Param: one("a", strings.Repeat("x", 300))}, false},
	} {
		got, err := expand(t, row.tag, row.scope)
		if err == nil || errors.Is(err, output.ErrUnknownName) != row.unknown {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "xxxx") {
			t.Errorf("%s: the error tells what was filled in: %v", name, err)
		}
	}
}

// FuzzTemplate: what is parsed and filled in is a tag that an application may use, or an error.
func FuzzTemplate(f *testing.F) {
	f.Add("product:{id}", "7")
	f.Add("{a}{b}", "%2a")
	f.Add("}{", "")
	f.Add("*{a}", "x")
	f.Fuzz(func(t *testing.T, tag, value string) {
		templates, err := output.ParseTemplates(tag)
		if err != nil {
			return
		}
		if templates[0].String() != tag {
			t.Errorf("%q has become %q", tag, templates[0])
		}
		got, err := templates[0].Expand(output.Scope{Param: func(string) (string, bool) { return url.PathEscape(value), true }})
		if err != nil {
			return
		}
		if err := store.CheckTag(got); err != nil {
			t.Errorf("%q with %q gives %q: %v", tag, value, got, err)
		}
		if len(templates[0].Names()) > 0 && !strings.Contains(got, value) {
			t.Errorf("%q with %q gives %q", tag, value, got)
		}
	})
}
