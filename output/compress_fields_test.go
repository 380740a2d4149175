package output_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store/memstore"
)

// The tag of the compressed form is the page's, less or more strong as that is, and none where the page has no right one.
func TestCompressTags(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{
		`"abc"`: `"abc-gzip"`, `W/"abc"`: `W/"abc-gzip"`, `""`: `"-gzip"`, "": "", "abc": "", `"`: "", `abc"`: "",
	} {
		if got := output.GzipTag(tag); got != want {
			t.Errorf("%s: %s", tag, got)
		}
	}
	p := over(t, memstore.New(memstore.Config{}), compressed, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", "abc")
		_, _ = io.WriteString(w, prose)
	})
	for range 2 {
		w := ask(p, http.MethodGet, "Accept-Encoding", "gzip")
		if _, tagged := w.Header()["Etag"]; tagged || gunzip(t, w) != prose {
			t.Errorf("%v", w.Header())
		}
		if w := ask(p, http.MethodGet); w.Header().Get("Etag") != "abc" {
			t.Errorf("%v", w.Header())
		}
	}
	own := over(t, memstore.New(memstore.Config{}), compressed, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, prose)
	})
	whole := ask(own, http.MethodGet).Header().Get("Etag")
	if packed := ask(own, http.MethodGet, "Accept-Encoding", "gzip").Header().Get("Etag"); packed != strings.TrimSuffix(whole, `"`)+`-gzip"` ||
		!strings.HasPrefix(whole, "W/") {
		t.Errorf("%s and %s", whole, packed)
	}
}

// A HEAD is told what a GET would be told.
func TestCompressHead(t *testing.T) {
	t.Parallel()
	for in, backend := range nearAndFar() {
		p := over(t, backend(), compressed, text(prose))
		ask(p, http.MethodGet)
		for _, accepts := range []string{"gzip", "", "gzip;q=0"} {
			head := ask(p, http.MethodHead, "Accept-Encoding", accepts)
			get := ask(p, http.MethodGet, "Accept-Encoding", accepts)
			if d := cmp.Diff(timeless(get), timeless(head)); d != "" || head.Body.Len() > 0 {
				t.Errorf("%s, %q: -get +head\n%s", in, accepts, d)
			}
		}
	}
}

// timeless returns w's fields without what tells the second at which it was answered.
func timeless(w *httptest.ResponseRecorder) http.Header {
	h := w.Header().Clone()
	h.Del("Age")
	if before, after, ok := strings.Cut(h.Get("Cache-Status"), "; ttl="); ok {
		h.Set("Cache-Status", before+strings.TrimLeft(after, "0123456789"))
	}
	return h
}

// What is not compressed: each for a reason of its own. Without a compressed form to come nothing varies.
func TestCompressLeavesAlone(t *testing.T) {
	t.Parallel()
	for in, backend := range nearAndFar() {
		for name, row := range map[string]struct {
			page   http.HandlerFunc
			policy output.Policy
			code   int
			vary   string
		}{
			"what is small":         {text(prose[:64]), compressed, 200, ""},
			"what is packed":        {text(prose, "Content-Encoding", "br"), compressed, 200, ""},
			"and says it varies":    {text(prose, "Content-Encoding", "br", "Vary", "accept-encoding"), compressed, 200, "Accept-Encoding"},
			"what is not to change": {text(prose, "Cache-Control", `max-age=9, No-Transform`), compressed, 200, ""},
			"what saves nothing":    {text(chaos), compressed, 200, ""},
			"what has no room":      {text(noise), compressed.MaxBytes(12_000), 200, ""},
			"a 404": {func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, prose)
			}, compressed.StatusFor(time.Minute, 404), 404, ""},
			"a 204": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, compressed.StatusFor(time.Minute, 204), 204, ""},
		} {
			p := over(t, backend(), row.policy, row.page)
			for i := range 3 {
				w := ask(p, http.MethodGet, "Accept-Encoding", "gzip")
				h := w.Header()
				if h.Get("Content-Encoding") == "gzip" || w.Code != row.code || strings.Contains(h.Get("Etag"), "gzip") ||
					strings.Join(h["Vary"], "|") != row.vary {
					t.Errorf("%s, %s, %d: %d %v", in, name, i, w.Code, h)
				}
				if hit := strings.Contains(h.Get("Cache-Status"), "hit"); hit != (i > 0) {
					t.Errorf("%s, %s, %d: %s", in, name, i, h.Get("Cache-Status"))
				}
			}
		}
	}
}

// The handler does not see Accept-Encoding, and may say that its answer varies on it. It is said once.
func TestCompressVary(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		handler []string // what the handler says
		outside []string // and what is there before
		want    string
	}{
		"nobody":                    {nil, nil, "Accept-Encoding"},
		"the handler":               {[]string{"Accept-Encoding"}, nil, "Accept-Encoding"},
		"in lower case":             {[]string{"accept-encoding"}, nil, "Accept-Encoding"},
		"outside":                   {nil, []string{"Accept-Encoding"}, "Accept-Encoding"},
		"both":                      {[]string{"Accept-Encoding"}, []string{"Accept-Encoding"}, "Accept-Encoding"},
		"another outside":           {nil, []string{"X-Out"}, "X-Out|Accept-Encoding"},
		"the handler, and another":  {[]string{"X-In, Accept-Encoding"}, nil, "X-In|Accept-Encoding"},
		"in two lines":              {[]string{"X-In", "Accept-Encoding"}, []string{"X-Out"}, "X-Out|X-In|Accept-Encoding"},
		"among others outside":      {[]string{"X-In"}, []string{"X-Out, accept-encoding"}, "X-Out, accept-encoding|X-In"},
		"all of it, here and there": {[]string{"X-In, accept-encoding"}, []string{"X-Out", "Accept-Encoding"}, "X-Out|Accept-Encoding|X-In"},
	} {
		seen := ""
		p := serve(t, output.Config{}, compressed.VaryHeader("X-In"), func(w http.ResponseWriter, r *http.Request) {
			seen += r.Header.Get("Accept-Encoding")
			for _, line := range row.handler {
				w.Header().Add("Vary", line)
			}
			text(prose)(w, r)
		})
		for range 3 {
			w := httptest.NewRecorder()
			w.Header()["Vary"] = row.outside
			if row.outside == nil {
				w.Header().Del("Vary")
			}
			r := httptest.NewRequest(http.MethodGet, "/page", http.NoBody)
			r.Header.Set("Accept-Encoding", "gzip")
			p.ServeHTTP(w, r)
			if got := strings.Join(w.Header()["Vary"], "|"); got != row.want || !strings.Contains(w.Header().Get("Cache-Status"), "ttl") {
				t.Errorf("%s: %s (%s)", name, got, w.Header().Get("Cache-Status"))
			}
		}
		if seen != "" || p.runs.Load() != 1 {
			t.Errorf("%s: the handler saw %q in %d runs", name, seen, p.runs.Load())
		}
	}
	if said := ask(over(t, fakes.NewFleet(), output.For(time.Minute), text(prose, "Vary", "Accept-Encoding")), http.MethodGet).
		Header().Get("Cache-Status"); !strings.Contains(said, "detail=vary") {
		t.Errorf("without Compress: %s", said)
	}
}

// A handler that replaces what is outside in Vary does so on every answer.
func TestCompressVaryReplaced(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{"Accept-Encoding": "Accept-Encoding", "X-In, Accept-Encoding": "X-In|Accept-Encoding"} {
		p := serve(t, output.Config{}, compressed.VaryHeader("X-In"), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", said)
			text(prose)(w, r)
		})
		h := encodesOutside(p, "X-Out")
		for range 3 {
			if got := strings.Join(ask(h, http.MethodGet, "Accept-Encoding", "gzip").Header()["Vary"], "|"); got != want {
				t.Errorf("%s: %s", said, got)
			}
		}
	}
}

// Under something that encodes, the page goes out as it is, for that to encode it.
func TestCompressUnderAnEncoder(t *testing.T) {
	t.Parallel()
	for in, backend := range nearAndFar() {
		p := over(t, backend(), compressed, text(prose))
		h := encodesOutside(p, "Accept-Encoding")
		for i := range 3 {
			w := ask(h, http.MethodGet, "Accept-Encoding", "gzip")
			if w.Header()["Content-Encoding"] != nil || w.Body.String() != prose || w.Header().Get("Etag") != `W/"v1"` {
				t.Errorf("%s, %d: %v", in, i, w.Header())
			}
			if form := is(t, ask(h, http.MethodGet), prose); form != "whole" {
				t.Errorf("%s, %d: %s", in, i, form)
			}
		}
		if form := is(t, ask(p, http.MethodGet, "Accept-Encoding", "gzip"), prose); form != "gzip" {
			t.Errorf("%s: without it: %s", in, form)
		}
	}
}

// What is not stored goes out as the handler wrote it.
func TestCompressLeavesAloneWhatIsNotStored(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ header, asks []string }{
		"a bypass":                    {nil, []string{"If-Match", "*"}},
		"an answer not to be kept":    {[]string{"Cache-Control", "no-store"}, nil},
		"a part that is not there":    {nil, []string{"Range", "bytes=0-1"}},
		"an answer to a HEAD, a miss": {nil, nil},
	} {
		p := serve(t, output.Config{}, compressed, text(prose, row.header...))
		method := http.MethodGet
		if strings.Contains(name, "HEAD") {
			method = http.MethodHead
		}
		for range 2 {
			w := ask(p, method, append([]string{"Accept-Encoding", "gzip"}, row.asks...)...)
			if h := w.Header(); h["Content-Encoding"] != nil || h["Vary"] != nil || h.Get("Etag") != `"v1"` {
				t.Errorf("%s: %v", name, h)
			}
		}
	}
}
