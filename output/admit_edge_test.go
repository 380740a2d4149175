package output_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// Spellings of what decides whether an answer is stored.
func TestI4_I5_SpellingsOfWhatIsNotStored(t *testing.T) {
	t.Parallel()
	base := output.For(time.Minute).Jitter(0)
	varied := base.VaryHeader("Accept-Language", "X-A")
	for name, row := range map[string]struct {
		policy  output.Policy
		handler http.HandlerFunc
		reason  string // "" = it is stored
	}{
		"Vary in lower case":            {varied, set("Vary", "accept-language"), ""},
		"Vary in two lines":             {varied, set("Vary", "Accept-Language", "x-a"), ""},
		"Vary with empty items":         {varied, set("Vary", ", ,Accept-Language,"), ""},
		"Vary in two lines, one other":  {varied, set("Vary", "X-A", "X-B"), "vary"},
		"a star among others":           {varied, set("Vary", "X-A, *"), "vary"},
		"Vary: Cookie, public":          {base.VaryCookie("c").Public(), set("Vary", "Cookie"), "vary"},
		"private with a space":          {base, set("Cache-Control", `private ="x"`), "private"},
		"private, shouted":              {base, set("Cache-Control", "PRIVATE"), "private"},
		"no-store behind a quote":       {base, set("Cache-Control", `ext="a, b", No-Store`), "no-store"},
		"no-store in a quote":           {base, set("Cache-Control", `ext="a, no-store"`), ""}, // the item is no-store": not the word
		"no-storeroom":                  {base, set("Cache-Control", "no-storeroom, privateer"), ""},
		"no-cache is for others":        {base, set("Cache-Control", "no-cache, must-revalidate, s-maxage=0"), ""},
		"a body where none may be":      {base.StatusFor(time.Minute, 204), says(204, "page", nil), "short-body"},
		"two lengths":                   {base, set("Content-Length", "4", "4"), "short-body"},
		"a length that is no number":    {base, set("Content-Length", "four"), "short-body"},
		"a cookie, set and taken back":  {base, takeBack, ""},
		"an empty Set-Cookie":           {base, set("Set-Cookie", ""), "set-cookie"},
		"an error that is kept, secret": {base.StatusFor(time.Minute, 404), says(404, "no", http.Header{"Set-Cookie": {"a=b"}}), "set-cookie"},
		"an error, private":             {base.StatusFor(time.Minute, 404), says(404, "no", http.Header{"Cache-Control": {"private"}}), "private"},
	} {
		p := serve(t, output.Config{}, row.policy, row.handler)
		want := "echocache; fwd=uri-miss; stored; ttl=60"
		if row.reason != "" {
			want = "echocache; fwd=uri-miss; detail=" + row.reason
		}
		if said := ask(p, http.MethodGet).Header().Get("Cache-Status"); said != want {
			t.Errorf("%s: %s", name, said)
		}
	}
}

func takeBack(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Set-Cookie", "a=b")
	w.Header().Del("Set-Cookie")
	_, _ = io.WriteString(w, "page")
}

// A cookie that outer middleware sets is its client's: the page is kept without it, and nobody else gets it.
func TestI4_AnOuterCookieIsItsClients(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), slow(0))
	outer := http.Header{"Set-Cookie": {"session=secret"}}
	h := around(p, func() http.Header { return outer.Clone() })
	if first := ask(h, http.MethodGet).Header(); first.Get("Set-Cookie") == "" || !strings.Contains(first.Get("Cache-Status"), "stored") {
		t.Errorf("%v", first)
	}
	outer = http.Header{}
	if second := ask(h, http.MethodGet).Header(); second["Set-Cookie"] != nil || !strings.Contains(second.Get("Cache-Status"), "hit") {
		t.Errorf("%v", second)
	}
}

// A handler may do to its request what it likes, down to the values of a header; the client's stays as it was.
func TestI3_TheClientsRequestStaysAsItWas(t *testing.T) {
	t.Parallel()
	h := newCache(t, output.Config{}).Handler(output.For(time.Minute).VaryHeader("Accept-Language").VaryCookie("c"), http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) {
			for name := range r.Header {
				r.Header[name][0] = "changed"
			}
			_ = r.ParseForm()
			r.URL.RawQuery = "changed"
			r.Host = "changed"
		}))
	ask := func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/page?q=1", http.NoBody)
		r.Header = http.Header{"Accept-Language": {"en"}, "Cookie": {"c=1"}, "Traceparent": {"00-1"}}
		return r
	}
	r := ask()
	h.ServeHTTP(httptest.NewRecorder(), r)
	if d := cmp.Diff(dump(ask()), dump(r)); d != "" {
		t.Errorf("-was +is\n%s", d)
	}
}
