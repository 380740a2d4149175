package output_test

import (
	"net/http"
	"testing"

	"github.com/echocache/echocache/output"
)

// What is read in a Cache-Status field (RFC 9211), whoever wrote it.
func TestWarmReadsCacheStatus(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		lines []string
		cache string
		want  string
	}{
		"nothing":                  {nil, "", "no-cache-status"},
		"empty":                    {[]string{""}, "", "no-cache-status"},
		"a name only":              {[]string{"a"}, "", "no-cache-status"},
		"hit":                      {[]string{"a; hit; ttl=30; detail=memory"}, "", "hit 30s"},
		"hit, spelt out":           {[]string{"a;hit=?1;ttl=1"}, "", "hit 1s"},
		"not hit":                  {[]string{"a; hit=?0; fwd=stale"}, "", "stale"},
		"stale":                    {[]string{"a; hit; ttl=-5"}, "", "hit -5s"},
		"stored":                   {[]string{"a; fwd=uri-miss; stored; ttl=60"}, "", "stored 1m0s"},
		"collapsed":                {[]string{"a; fwd=uri-miss; collapsed"}, "", "collapsed"},
		"a reason":                 {[]string{"a; fwd=bypass; detail=signed-in"}, "", "signed-in"},
		"a reason with more":       {[]string{"a; fwd=bypass; detail=identity-unknown:session"}, "", "identity-unknown:session"},
		"a reason as a string":     {[]string{`a; fwd=bypass; detail="too; long, \"x\" \\"`}, "", `too; long, "x" \`},
		"no reason":                {[]string{"a; fwd=method"}, "", "method"},
		"the last":                 {[]string{"a; hit, b; fwd=bypass"}, "", "bypass"},
		"the last line":            {[]string{"a; fwd=bypass", "b; hit"}, "", "hit"},
		"by name":                  {[]string{"a; fwd=bypass, b; hit"}, "a", "bypass"},
		"by name, the last":        {[]string{"a; fwd=bypass, a; hit, b"}, "a", "hit"},
		"a name that is not there": {[]string{"a; hit"}, "b", "no-cache-status"},
		"a name as a string":       {[]string{`"my cache"; hit , b`}, "my cache", "hit"},
		"unknown parameters":       {[]string{`a; x; y="hit; stored"; z=1.5; b=:aGl0:; hit; key="/,"`}, "", "hit"},
		"of another type":          {[]string{"a; hit=1; stored=yes; ttl=soon; fwd=miss"}, "", "miss"},
		"white space":              {[]string{"  a;  hit \t, \tb;   stored  "}, "", "stored"},
		"more than a duration":     {[]string{"a; hit; ttl=999999999999999"}, "", "hit 2562047h47m16.854775807s"},
		"an open string":           {[]string{`a; hit, b; detail="x`}, "", "hit"},
		"a wrong escape":           {[]string{`a; hit, "b\x"; stored`}, "", "hit"},
		"a control character":      {[]string{"a; hit, \"b\x01\"; stored"}, "", "hit"},
		"no comma":                 {[]string{"a; hit b; stored"}, "", "no-cache-status"},
		"no key":                   {[]string{"a; hit, b; =x"}, "", "hit"},
		"no value":                 {[]string{"a; hit, b; fwd=; stored"}, "", "hit"},
		"no member":                {[]string{"a; hit, , b; stored"}, "", "hit"},
		"an inner list":            {[]string{"(a b); hit"}, "", "no-cache-status"},
		"a mistake in one line":    {[]string{`"`, "a; hit"}, "", "hit"},
	} {
		app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Cache-Status"] = row.lines
			w.WriteHeader(http.StatusOK)
			if len(row.lines) > 0 {
				row.lines[len(row.lines)-1] = "late; stored"
			}
			w.Header()["Cache-Status"] = append(row.lines, "late; stored")
		})
		got := told(warm(t, app, asking(t, "/"), output.WarmConfig{Name: row.cache}).Results[0])
		if want := "200 0 " + row.want; got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
}

func FuzzWarmCacheStatus(f *testing.F) {
	for _, line := range []string{"echocache; fwd=uri-miss; stored; ttl=60", `"a b"; hit; detail="\\", c`, ";=,", "a;b;c=\"", "(a);x"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Cache-Status"] = []string{line} })
		r := warm(t, app, asking(t, "/"), output.WarmConfig{}).Results[0]
		if r.Err != nil || (r.Reason == "") != (r.Stored || r.Hit || r.Collapsed) {
			t.Errorf("%q: %+v", line, r)
		}
	})
}
