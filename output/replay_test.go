package output_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

const lastModified = "Wed, 01 May 2024 12:00:00 GMT"

// article is a page with validators of its own.
func article(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Etag", `"v1"`)
	w.Header().Set("Last-Modified", lastModified)
	w.Header().Set("Content-Language", "en")
	w.Header().Set("X-A", "b")
	_, _ = io.WriteString(w, "<p>an article")
}

func ask(h http.Handler, method string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/page", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A conditional request is answered from the entry (RFC 9110, section 13).
func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), article)
	for name, row := range map[string]struct {
		header []string
		code   int
	}{
		"nothing":                    {nil, 200},
		"its tag":                    {[]string{"If-None-Match", `"v1"`}, 304},
		"its tag, weak":              {[]string{"If-None-Match", `W/"v1"`}, 304},
		"in a list":                  {[]string{"If-None-Match", `"a,b", W/"x" ,"v1"`}, 304},
		"in the second line":         {[]string{"If-None-Match", `"a"`, "If-None-Match", `"v1"`}, 304},
		"any":                        {[]string{"If-None-Match", ` * `}, 304},
		"another":                    {[]string{"If-None-Match", `"v2"`}, 200},
		"a tag within a tag":         {[]string{"If-None-Match", `"a,"v1""`}, 200},
		"no quotes":                  {[]string{"If-None-Match", `v1`}, 200},
		"after rubbish":              {[]string{"If-None-Match", `x "v1"`}, 200},
		"since then":                 {[]string{"If-Modified-Since", lastModified}, 304},
		"since later":                {[]string{"If-Modified-Since", "Wed, 01 May 2024 12:00:01 GMT"}, 304},
		"since before":               {[]string{"If-Modified-Since", "Wed, 01 May 2024 11:59:59 GMT"}, 200},
		"since no date":              {[]string{"If-Modified-Since", "yesterday"}, 200},
		"another tag, since then":    {[]string{"If-None-Match", `"v2"`, "If-Modified-Since", lastModified}, 200},
		"its tag, since before then": {[]string{"If-None-Match", `"v1"`, "If-Modified-Since", "Wed, 01 May 2024 11:59:59 GMT"}, 304},
	} {
		for range 2 {
			w := ask(p, http.MethodGet, row.header...)
			h := w.Header()
			if w.Code != row.code {
				t.Errorf("%s: %d", name, w.Code)
			}
			if h.Get("Etag") != `"v1"` || h.Get("X-A") != "b" || h.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s: %v", name, h)
			}
			if row.code == 304 && (w.Body.Len() > 0 || h["Content-Type"] != nil || h["Content-Language"] != nil || h["Content-Length"] != nil) {
				t.Errorf("%s: a 304 with %v %q", name, h, w.Body)
			}
		}
	}
	if n := p.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// HEAD is answered from the entry of a GET, with its length and type and without its body.
func TestHead(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), article)
	if w := ask(p, http.MethodHead); w.Header().Get("Cache-Status") != "echocache; fwd=uri-miss; detail=head" {
		t.Errorf("a HEAD stored something: %v", w.Header())
	}
	ask(p, http.MethodGet)
	w := ask(p, http.MethodHead)
	if h := w.Header(); w.Body.Len() > 0 || h.Get("Content-Length") != "13" || h.Get("Content-Type") != "text/html; charset=utf-8" ||
		!strings.Contains(h.Get("Cache-Status"), "hit") {
		t.Errorf("%v %q", h, w.Body)
	}
	if w := ask(p, http.MethodHead, "If-None-Match", `"v1"`); w.Code != 304 {
		t.Errorf("a conditional HEAD: %d", w.Code)
	}
}

// Age and ttl count with the time, and Date stays that of the fill (RFC 9111, section 5.1).
func TestAgeAndDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]output.Config{
			"from a view": {},
			"by trip":     {Store: store.New(struct{ store.Backend }{memstore.New(memstore.Config{})}, store.Config{})},
		} {
			p := serve(t, c, output.For(time.Minute).Jitter(0), slow(0))
			began := time.Now().UTC().Format(http.TimeFormat)
			first := ask(p, http.MethodGet).Header()
			if first["Age"] != nil || first.Get("Cache-Status") != "echocache; fwd=uri-miss; stored; ttl=60" {
				t.Errorf("%s: %v", name, first)
			}
			time.Sleep(7500 * time.Millisecond)
			h := ask(p, http.MethodGet).Header()
			tier := map[string]string{"from a view": "memory", "by trip": "store"}[name]
			if h.Get("Age") != "7" || h.Get("Date") != began || h.Get("Cache-Status") != "echocache; hit; ttl=52; detail="+tier {
				t.Errorf("%s: %v", name, h)
			}
			time.Sleep(52499 * time.Millisecond)
			if h := ask(p, http.MethodGet).Header(); h.Get("Age") != "59" {
				t.Errorf("%s: %v", name, h)
			}
			time.Sleep(time.Millisecond)
			if h := ask(p, http.MethodGet).Header(); h["Age"] != nil || p.runs.Load() != 2 {
				t.Errorf("%s: %v after %d runs", name, h, p.runs.Load())
			}
		}
	})
}

// Jitter only ever shortens, and by a tenth at most.
func TestJitter(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(1000*time.Second).VaryBy("q", query), slow(0))
	seen := map[string]bool{}
	for i := range 200 {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page?"+strings.Repeat("x", i), http.NoBody))
		_, ttl, _ := strings.Cut(w.Header().Get("Cache-Status"), "ttl=")
		if ttl < "900" || ttl > "999" || len(ttl) != 3 {
			t.Errorf("ttl=%s", ttl)
		}
		seen[ttl] = true
	}
	if len(seen) < 20 {
		t.Errorf("only %d different lives", len(seen))
	}
}

// Cache-Status in every form (RFC 9211).
func TestCacheStatus(t *testing.T) {
	t.Parallel()
	page := output.For(time.Minute).Jitter(0)
	for name, row := range map[string]struct {
		config                       output.Config
		miss, hit, bypass, wrongVerb string
	}{
		"full": {
			output.Config{Name: "shop"}, "shop; fwd=uri-miss; stored; ttl=60", "shop; hit; ttl=", "shop; fwd=bypass; detail=precondition",
			"shop; fwd=method",
		},
		"short": {
			output.Config{Name: "shop", Status: output.StatusShort}, "shop; fwd=uri-miss; stored; ttl=60", "shop; hit; ttl=",
			"shop; fwd=bypass", "shop; fwd=method",
		},
		"off": {output.Config{Status: output.StatusOff}, "", "", "", ""},
		"a string": {
			output.Config{Name: `7"\`}, `"7\"\\"; fwd=uri-miss; stored; ttl=60`, `"7\"\\"; hit; ttl=`,
			`"7\"\\"; fwd=bypass; detail=precondition`, `"7\"\\"; fwd=method`,
		},
	} {
		p := serve(t, row.config, page, slow(0))
		said := func(w *httptest.ResponseRecorder) string { return w.Header().Get("Cache-Status") }
		if got := said(ask(p, http.MethodGet)); got != row.miss {
			t.Errorf("%s: a miss: %s", name, got)
		}
		if got := said(ask(p, http.MethodGet)); !strings.HasPrefix(got, row.hit) {
			t.Errorf("%s: a hit: %s", name, got)
		}
		if got := said(ask(p, http.MethodGet, "If-Match", "*")); got != row.bypass {
			t.Errorf("%s: a bypass: %s", name, got)
		}
		if got := said(ask(p, http.MethodPost)); got != row.wrongVerb {
			t.Errorf("%s: a POST: %s", name, got)
		}
	}
}
