package output_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Every mistake in a policy is found when it is mounted, and the error names what was given and how to mend it.
func TestPolicyMistakes(t *testing.T) {
	t.Parallel()
	base := output.For(time.Minute)
	long := strings.Repeat("x", 257)
	many := make([]string, 62)
	for i := range many {
		many[i] = "t" + strings.Repeat("x", i)
	}
	for name, row := range map[string]struct {
		policy output.Policy
		want   []string // in the error
	}{
		"no time to live":         {output.For(0), []string{"For(0s)", "positive", "Off()"}},
		"a negative one":          {output.For(-time.Second), []string{"For(-1s)", "positive"}},
		"an empty tag":            {base.Tag(""), []string{`Tag("")`, "empty"}},
		"a reserved tag":          {base.Tag("*all"), []string{`Tag("*all")`, "reserved", "another name"}},
		"a route's tag":           {base.Tag("r:x"), []string{`Tag("r:x")`, "reserved"}},
		"a long tag":              {base.Tag(long), []string{"257 bytes", "256"}},
		"a tag with a newline":    {base.Tag("a\nb"), []string{"control character"}},
		"an open brace":           {base.Tag("product:{id"), []string{`Tag("product:{id")`, "never closed"}},
		"a closing brace":         {base.Tag("product:id}"), []string{"closing brace"}},
		"an empty name":           {base.Tag("product:{}"), []string{"{}", "not a name"}},
		"braces in braces":        {base.Tag("{a{b}}"), []string{"not a name"}},
		"too many tags":           {base.Tag(many...), []string{"62 tags", "64"}},
		"a header twice":          {base.VaryHeader("Accept-Language", "accept-language"), []string{`"Accept-Language"`, "twice"}},
		"an empty header":         {base.VaryHeader(""), []string{"VaryHeader", "empty", "leave it out"}},
		"no header's name":        {base.VaryHeader("a b"), []string{`VaryHeader("a b")`, "not the name"}},
		"the Cookie header":       {base.VaryHeader("cookie"), []string{`VaryHeader("Cookie")`, "VaryCookie"}},
		"Authorization":           {base.VaryHeader("authorization"), []string{`VaryHeader("Authorization")`, "PerUser"}},
		"Host":                    {base.VaryHeader("host"), []string{`VaryHeader("Host")`, "leave it out"}},
		"a header of the hop":     {base.VaryHeader("connection"), []string{`VaryHeader("Connection")`, "leave it out"}},
		"a parameter twice":       {base.VaryQuery("q", "q"), []string{`"q"`, "twice"}},
		"both query lists":        {base.VaryQuery("q").IgnoreQuery("r"), []string{"VaryQuery and IgnoreQuery", "use one"}},
		"a cookie twice":          {base.VaryCookie("c", "c"), []string{"VaryCookie", "twice"}},
		"a value nobody has":      {base.VaryValue("tenant"), []string{`VaryValue("tenant")`, "Config.Values"}},
		"a function that is nil":  {base.VaryBy("x", nil), []string{`VaryBy("x")`, "nil"}},
		"a function with no name": {base.VaryBy("", method), []string{"VaryBy", "name"}},
		"two of one name":         {base.VaryBy("x", method).VaryBy("x", method), []string{`VaryBy("x")`, "twice"}},
		"for nobody and for all":  {base.PerUser().Public(), []string{"PerUser and Public"}},
		"per user, no Config":     {base.PerUser(), []string{"PerUser", "Config.User"}},
		"an unknown status":       {base.StatusFor(time.Second, 299), []string{"299", "not a known status"}},
		"an informational one":    {base.StatusFor(time.Second, 103), []string{"103"}},
		"a part":                  {base.StatusFor(time.Second, 206), []string{"206"}},
		"not modified":            {base.StatusFor(time.Second, 304), []string{"304"}},
		"a status twice":          {base.StatusFor(time.Second, 404, 404), []string{"404", "twice"}},
		"no status":               {base.StatusFor(time.Second), []string{"no status code"}},
		"no time for a status":    {base.StatusFor(0, 404), []string{"StatusFor(0s)", "positive"}},
		"no bytes":                {base.MaxBytes(0), []string{"MaxBytes(0)", "positive"}},
		"negative bytes":          {base.MaxBytes(-1), []string{"MaxBytes(-1)", "positive"}},
		"jitter of all":           {base.Jitter(1), []string{"Jitter(1)", "less than 1"}},
		"negative jitter":         {base.Jitter(-0.1), []string{"Jitter(-0.1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := newCache(t, output.Config{})
			_, err := cache.Mount(row.policy, output.Door{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %s", err, want)
				}
			}
		})
	}
}

func method(r *http.Request) string { return r.Method }

// A policy reports all that is wrong with it, not the first thing.
func TestPolicyReportsEveryMistake(t *testing.T) {
	t.Parallel()
	err := output.For(0).Tag("").MaxBytes(-1).Validate()
	for _, want := range []string{"For(0s)", `Tag("")`, "MaxBytes(-1)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	bad := memstore.New(memstore.Config{MaxBytes: -1})
	for name, row := range map[string]struct {
		config output.Config
		want   []string
	}{
		"a name with a space":  {output.Config{Name: "a b"}, []string{"Config.Name", `"a b"`}},
		"a long name":          {output.Config{Name: strings.Repeat("x", 65)}, []string{"Config.Name", "64"}},
		"a long version":       {output.Config{Version: strings.Repeat("x", 257)}, []string{"Config.Version", "256"}},
		"negative fills":       {output.Config{MaxFills: -1}, []string{"Config.MaxFills", "-1", "0"}},
		"negative patience":    {output.Config{Patience: -1}, []string{"Config.Patience", "-1ns", "0"}},
		"an unknown status":    {output.Config{Status: 9}, []string{"Config.Status", "9", "StatusFull"}},
		"a value without name": {output.Config{Values: map[string]func(*http.Request) string{"": method}}, []string{"Config.Values"}},
		"a value of nothing":   {output.Config{Values: map[string]func(*http.Request) string{"a": nil}}, []string{`Config.Values["a"]`}},
		"the backend's budget": {output.Config{Store: store.New(bad, store.Config{})}, []string{"Config.Store", "MaxBytes", "-1"}},
		"no backend":           {output.Config{Store: store.New(nil, store.Config{})}, []string{"Config.Store", "backend is nil"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := output.New(row.config)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %s", err, want)
				}
			}
		})
	}
}

// A policy is a value: what is derived from it leaves it alone, and so do two that are derived from one.
func TestPolicyIsAValue(t *testing.T) {
	t.Parallel()
	base := output.For(time.Minute).Tag("a").VaryHeader("A").VaryQuery("a").VaryCookie("a").StatusFor(time.Second, 404)
	before := base.String()
	one := base.Tag("b").VaryHeader("B").VaryQuery("b").VaryCookie("b").StatusFor(time.Second, 410)
	two := base.Tag("c").VaryHeader("C").VaryQuery("c").VaryCookie("c").StatusFor(time.Second, 301)
	if base.String() != before {
		t.Errorf("it was %s and is %s", before, base)
	}
	for _, letter := range []string{`"b"`, `"B"`, "410"} {
		if !strings.Contains(one.String(), letter) || strings.Contains(two.String(), letter) {
			t.Errorf("%s is not in %s alone (%s)", letter, one, two)
		}
	}
}
