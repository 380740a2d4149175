package response_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/response"
)

func TestAddVary(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ have, add, want []string }{
		"nothing":            {nil, nil, nil},
		"nothing there":      {nil, []string{"A", "B"}, []string{"A, B"}},
		"others there":       {[]string{"X, y"}, []string{"A"}, []string{"X, y", "A"}},
		"there in any case":  {[]string{"x-a,  ACCEPT-language"}, []string{"X-A", "Accept-Language"}, []string{"x-a,  ACCEPT-language"}},
		"in the second line": {[]string{"A", "b"}, []string{"B", "C"}, []string{"A", "b", "C"}},
		"everything":         {[]string{"A", " * "}, []string{"B"}, []string{"A", " * "}},
		"part of a name":     {[]string{"Accept-Language"}, []string{"Accept"}, []string{"Accept-Language", "Accept"}},
		"twice":              {nil, []string{"A", "a"}, []string{"A"}},
		"rubbish":            {[]string{",, ,"}, []string{"A"}, []string{",, ,", "A"}},
	} {
		h := http.Header{}
		if row.have != nil {
			h["Vary"] = append(make([]string, 0, 9), row.have...) // with room that others may use
		}
		shared := h["Vary"]
		response.AddVary(h, row.add...)
		if d := cmp.Diff(row.want, h["Vary"]); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
		if row.have != nil && len(shared[:9]) == 9 && shared[:9][len(row.have)] != "" {
			t.Errorf("%s: written into another's memory", name)
		}
	}
}

func TestETags(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^(W/)?"[0-9a-f]{32}"$`)
	strong, weak := response.StrongETag([]byte("a")), response.WeakETag([]byte("a"))
	if !form.MatchString(strong) || weak != "W/"+strong {
		t.Errorf("%s, %s", strong, weak)
	}
	for _, body := range []string{"", "b", "A", "a "} {
		if other := response.StrongETag([]byte(body)); other == strong || !form.MatchString(other) {
			t.Errorf("%q: %s", body, other)
		}
	}
}

const then = "Wed, 01 May 2024 12:00:00 GMT"

// The order of RFC 9110, section 13.2.2.
func TestNotModified(t *testing.T) {
	t.Parallel()
	at, err := http.ParseTime(then)
	if err != nil {
		t.Fatal(err)
	}
	const get, ok = http.MethodGet, http.StatusOK
	for name, row := range map[string]struct {
		method   string
		status   int
		etag     string
		modified time.Time
		header   []string
		want     bool
	}{
		"no condition":             {get, ok, `"1"`, at, nil, false},
		"the tag":                  {get, ok, `"1"`, at, []string{"If-None-Match", `"1"`}, true},
		"a HEAD":                   {http.MethodHead, ok, `"1"`, at, []string{"If-None-Match", `"1"`}, true},
		"a POST":                   {http.MethodPost, ok, `"1"`, at, []string{"If-None-Match", `"1"`}, false},
		"a 404":                    {get, 404, `"1"`, at, []string{"If-None-Match", `"1"`}, false},
		"a 206":                    {get, 206, `"1"`, at, []string{"If-None-Match", `"1"`}, false},
		"weak against strong":      {get, ok, `"1"`, at, []string{"If-None-Match", `W/"1"`}, true},
		"strong against weak":      {get, ok, `W/"1"`, at, []string{"If-None-Match", `"1"`}, true},
		"any":                      {get, ok, "", time.Time{}, []string{"If-None-Match", "*"}, true},
		"a list":                   {get, ok, `"1"`, at, []string{"If-None-Match", `"0", W/"1"`}, true},
		"two lines":                {get, ok, `"1"`, at, []string{"If-None-Match", `"0"`, "If-None-Match", `"1"`}, true},
		"any among others":         {get, ok, `"1"`, at, []string{"If-None-Match", `"0", *`}, false},
		"any in a second line":     {get, ok, `"1"`, at, []string{"If-None-Match", `"0"`, "If-None-Match", `*`}, false},
		"another":                  {get, ok, `"1"`, at, []string{"If-None-Match", `"2"`}, false},
		"one that begins so":       {get, ok, `"12"`, at, []string{"If-None-Match", `"1"`}, false},
		"one that goes on":         {get, ok, `"1"`, at, []string{"If-None-Match", `"12"`}, false},
		"no tag here":              {get, ok, "", at, []string{"If-None-Match", `""`}, false},
		"an empty tag":             {get, ok, `""`, at, []string{"If-None-Match", `""`}, true},
		"rubbish":                  {get, ok, `"1"`, at, []string{"If-None-Match", `1`}, false},
		"rubbish, then the tag":    {get, ok, `"1"`, at, []string{"If-None-Match", `x`, "If-None-Match", `"1"`}, true},
		"an open quote":            {get, ok, `"1"`, at, []string{"If-None-Match", `"1`}, false},
		"since then":               {get, ok, "", at, []string{"If-Modified-Since", then}, true},
		"with part of a second":    {get, ok, "", at.Add(time.Second - 1), []string{"If-Modified-Since", then}, true},
		"changed a second later":   {get, ok, "", at.Add(time.Second), []string{"If-Modified-Since", then}, false},
		"no time here":             {get, ok, `"1"`, time.Time{}, []string{"If-Modified-Since", then}, false},
		"no date":                  {get, ok, "", at, []string{"If-Modified-Since", "yesterday"}, false},
		"a POST since":             {http.MethodPost, ok, "", at, []string{"If-Modified-Since", then}, false},
		"another tag, since then":  {get, ok, `"1"`, at, []string{"If-None-Match", `"2"`, "If-Modified-Since", then}, false},
		"the tag, since before":    {get, ok, `"1"`, at.Add(time.Hour), []string{"If-None-Match", `"1"`, "If-Modified-Since", then}, true},
		"a tag of none, then then": {get, ok, "", at, []string{"If-None-Match", `"2"`, "If-Modified-Since", then}, false},
	} {
		r := httptest.NewRequest(row.method, "/", http.NoBody)
		for i := 0; i < len(row.header); i += 2 {
			r.Header.Add(row.header[i], row.header[i+1])
		}
		if got := response.NotModified(r, row.status, row.etag, row.modified); got != row.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// slowMatch is MatchETag by the grammar (RFC 9110, sections 5.6.1 and 8.8.3), with regular expressions.
func slowMatch(lines []string, etag string) bool {
	if len(lines) == 1 && regexp.MustCompile(`^[ \t]*\*[ \t]*$`).MatchString(lines[0]) {
		return true
	}
	const tag = `(?:W/)?"[^"]*"`
	if !regexp.MustCompile(`(?s)^` + tag + `$`).MatchString(etag) {
		return false
	}
	first := regexp.MustCompile(`(?s)^[ \t,]*(` + tag + `)`)
	rest := regexp.MustCompile(`(?s)^[ \t]*(?:,[ \t,]*(` + tag + `)|$)`)
	opaque := func(s string) string { return s[strings.IndexByte(s, '"'):] }
	for _, line := range lines {
		for next := first; ; next = rest {
			found := next.FindStringSubmatch(line)
			if found == nil || found[1] == "" {
				break
			}
			if opaque(found[1]) == opaque(etag) {
				return true
			}
			line = line[len(found[0]):]
		}
	}
	return false
}

// FuzzMatchETag holds the matcher against a slow one that is written another way.
func FuzzMatchETag(f *testing.F) {
	f.Add(`W/"a", "b"`, ``, `"b"`)
	f.Add(`"`, `"`, `"`)
	f.Add(`*`, ``, ``)
	f.Add(`"a""b"`, `"b" x, "c"`, `"b"`)
	f.Add("\t, ,W/W/\"a\"", `"a",`, `W/"a"`)
	f.Add(`"x", *`, `*`, `"a"`)
	f.Add(`W/"", ""`, ``, `""`)
	f.Fuzz(func(t *testing.T, one, two, etag string) {
		for _, lines := range [][]string{{one}, {one, two}, {two, one, two}} {
			if got, want := response.MatchETag(lines, etag), slowMatch(lines, etag); got != want {
				t.Errorf("%q in %q: %t, want %t", etag, lines, got, want)
			}
		}
	})
}

// FuzzCap: what is left is never longer than it may be, nothing else changes, and doing it twice changes nothing.
func FuzzCap(f *testing.F) {
	f.Add("public, max-age=90, s-maxage=100", int64(60))
	f.Add(`x="max-age=90\", max-age=90", max-age="90`, int64(60))
	f.Add("max-age==9,Max-Age = 0009", int64(-1))
	lives := regexp.MustCompile(`(?i)(?:^|,)[ \t]*(?:max-age|s-maxage)[ \t]*=[ \t"]*([0-9]+)`)
	digits := regexp.MustCompile(`[0-9]+`)
	f.Fuzz(func(t *testing.T, control string, seconds int64) {
		seconds %= 1 << 32
		left := time.Duration(seconds) * time.Second
		got := response.Cap(control, left)
		if again := response.Cap(got, left); again != got {
			t.Errorf("%q: %q, then %q", control, got, again)
		}
		if digits.ReplaceAllString(got, "0") != digits.ReplaceAllString(control, "0") {
			t.Errorf("%q: %q", control, got)
		}
		if strings.ContainsAny(control, `"`) {
			return // the expression knows nothing of quotes
		}
		for _, found := range lives.FindAllStringSubmatch(got, -1) {
			number := strings.TrimLeft(found[1], "0")
			if len(number) > 10 || parse(number) > max(seconds, 0) {
				t.Errorf("%q for %d s: %q", control, seconds, got)
			}
		}
	})
}

func parse(digits string) (n int64) {
	for _, c := range digits {
		n = n*10 + int64(c-'0')
	}
	return n
}
