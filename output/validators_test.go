package output_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// says answers with header fields and a body.
func says(code int, text string, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// What a handler leaves to others is added to its answer, and what it says itself is left alone, on the answer it made
// and on every hit.
func TestDescription(t *testing.T) {
	t.Parallel()
	kept := output.For(time.Minute).StatusFor(time.Minute, 204, 404)
	for name, row := range map[string]struct {
		handler http.HandlerFunc
		want    map[string][]string // nil = the field is not there
	}{
		"nothing said": {says(200, "<p>", nil), map[string][]string{
			"Content-Type": {"text/html; charset=utf-8"}, "Content-Length": {"3"}, "Cache-Control": {"no-cache"},
		}},
		"a type": {says(200, "<p>", http.Header{"Content-Type": {"text/x"}}), map[string][]string{"Content-Type": {"text/x"}}},
		"packed": {says(200, "<p>", http.Header{"Content-Encoding": {"x"}}), map[string][]string{
			"Content-Type": nil, "Content-Encoding": {"x"},
		}},
		"a tag":   {says(200, "a", http.Header{"Etag": {`"1"`}}), map[string][]string{"Etag": {`"1"`}}},
		"a date":  {says(200, "a", http.Header{"Date": {lastModified}}), map[string][]string{"Date": {lastModified}}},
		"control": {says(200, "a", http.Header{"Cache-Control": {"max-age=9"}}), map[string][]string{"Cache-Control": {"max-age=9"}}},
		"an end": {says(200, "a", http.Header{"Expires": {lastModified}}), map[string][]string{
			"Cache-Control": nil, "Expires": {lastModified},
		}},
		"not found": {says(404, "no", nil), map[string][]string{"Etag": nil, "Content-Length": {"2"}, "Cache-Control": {"no-cache"}}},
		"no content": {says(204, "", nil), map[string][]string{
			"Etag": nil, "Content-Length": nil, "Content-Type": nil, "Cache-Control": {"no-cache"},
		}},
		"no body": {says(200, "", nil), map[string][]string{"Content-Length": {"0"}, "Content-Type": nil}},
	} {
		p := serve(t, output.Config{}, kept, row.handler)
		for range 3 {
			h := ask(p, http.MethodGet).Header()
			for field, want := range row.want {
				if d := cmp.Diff(want, h[field]); d != "" {
					t.Errorf("%s: %s: -want +got\n%s", name, field, d)
				}
			}
		}
		if n := p.runs.Load(); n != 1 {
			t.Errorf("%s: %d runs", name, n)
		}
	}
}

// The entity tag that the cache makes is weak, is the body's, and answers the next request with a 304.
func TestTheCachesOwnETag(t *testing.T) {
	t.Parallel()
	tag := func(body string) string {
		p := serve(t, output.Config{}, output.For(time.Minute), says(200, body, nil))
		own := ask(p, http.MethodGet).Header().Get("Etag")
		if hit := ask(p, http.MethodGet).Header().Get("Etag"); hit != own || !strings.HasPrefix(own, `W/"`) {
			t.Errorf("%s, then %s", own, hit)
		}
		for code, sent := range map[int]string{304: `"x", ` + own, 200: `"x` + own[3:]} {
			if w := ask(p, http.MethodGet, "If-None-Match", sent); w.Code != code || w.Header().Get("Etag") != own {
				t.Errorf("If-None-Match: %s: %d", sent, w.Code)
			}
		}
		return own
	}
	if a := tag("a"); a != tag("a") || a == tag("b") {
		t.Error("a tag is not the body's")
	}
}

// Only a 200 is ever "not modified" (RFC 9110, section 13.2.1).
func TestConditionsAreFor200(t *testing.T) {
	t.Parallel()
	validators := http.Header{"Etag": {`"1"`}, "Last-Modified": {lastModified}}
	p := serve(t, output.Config{}, output.For(time.Minute).StatusFor(time.Minute, 404), says(404, "no", validators))
	for _, sent := range [][]string{{"If-None-Match", "*"}, {"If-None-Match", `"1"`}, {"If-Modified-Since", lastModified}} {
		for range 2 {
			if w := ask(p, http.MethodGet, sent...); w.Code != 404 || w.Body.String() != "no" {
				t.Errorf("%s: %d %q", sent, w.Code, w.Body)
			}
		}
	}
}

// "*" stands alone, an entity tag is found nowhere but in a list, and a page without a date is always newer.
func TestOddConditions(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		header, sent []string
		code         int
	}{
		"two stars":             {nil, []string{"If-None-Match", "*", "If-None-Match", `"2"`}, 200},
		"no comma":              {[]string{"Etag", `"1"`}, []string{"If-None-Match", `"2" "1"`}, 200},
		"two dates of the page": {[]string{"Last-Modified", lastModified, "Last-Modified", lastModified}, []string{"If-Modified-Since", lastModified}, 200},
		"a page before 1970":    {[]string{"Last-Modified", "Wed, 01 May 1940 12:00:00 GMT"}, []string{"If-Modified-Since", lastModified}, 200},
		"no date of the page":   {nil, []string{"If-Modified-Since", lastModified}, 200},
		"a date of no page":     {[]string{"Last-Modified", "long ago"}, []string{"If-Modified-Since", lastModified}, 200},
		"a packed page":         {[]string{"Content-Encoding", "gzip", "Etag", `"1"`}, []string{"If-None-Match", `"1"`}, 304},
	} {
		h := http.Header{}
		for i := 0; i < len(row.header); i += 2 {
			h.Add(row.header[i], row.header[i+1])
		}
		p := serve(t, output.Config{}, output.For(time.Minute), says(200, "page", h))
		for range 2 {
			w := ask(p, http.MethodGet, row.sent...)
			if w.Code != row.code || p.runs.Load() != 1 {
				t.Errorf("%s: %d after %d runs", name, w.Code, p.runs.Load())
			}
			if w.Code == 304 && w.Header()["Content-Encoding"] != nil {
				t.Errorf("%s: a 304 describes a body: %v", name, w.Header())
			}
		}
	}
}

// What outer middleware says to browsers is left alone.
func TestOuterControlIsLeftAlone(t *testing.T) {
	t.Parallel()
	for field, value := range map[string]string{"Cache-Control": "max-age=7", "Expires": lastModified} {
		p := serve(t, output.Config{}, output.For(time.Minute), says(200, "page", nil))
		h := around(p, func() http.Header { return http.Header{field: {value}} })
		for range 3 {
			got := ask(h, http.MethodGet).Header()
			if got.Get(field) != value || field == "Expires" && got["Cache-Control"] != nil {
				t.Errorf("%s: %s, Cache-Control: %s", field, got[field], got["Cache-Control"])
			}
		}
	}
}

// While a page is known to be not worth keeping, its handler sees what the client has already, and no more; its 304 goes
// to its client.
func TestAHandlerAloneSeesConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := []string{}
		p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Header.Get("If-None-Match")+r.Header.Get("X-Secret"))
			w.Header().Set("Cache-Control", "no-store")
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotModified)
			}
		})
		sent := []string{"If-None-Match", `"1"`, "X-Secret", "x"}
		first, second := ask(p, http.MethodGet, sent...), ask(p, http.MethodGet, sent...)
		time.Sleep(2001 * time.Millisecond) // by then it has forgotten
		third := ask(p, http.MethodGet, sent...)
		if first.Code != 200 || second.Code != 304 || third.Code != 200 {
			t.Errorf("%d, %d, %d", first.Code, second.Code, third.Code)
		}
		if d := cmp.Diff([]string{"", `"1"`, ""}, seen); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if said := second.Header().Get("Cache-Status"); said != "echocache; fwd=uri-miss; detail=status" {
			t.Error(said)
		}
	})
}
