package output_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// prose is a text that becomes much smaller, noise a text that becomes a little smaller, and chaos bytes that become none.
var (
	prose = strings.Repeat("All happy families are alike; each unhappy family is unhappy in its own way. ", 100)
	noise = hex.EncodeToString([]byte(random(5000)))
	chaos = random(5000)
)

func random(n int) string {
	b, chacha := make([]byte, n), rand.NewChaCha8([32]byte{1})
	_, _ = chacha.Read(b)
	return string(b)
}

// text is a handler that writes a text, under a strong tag.
func text(s string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"v1"`)
		w.Header().Set("Content-Type", "text/plain")
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, s)
	}
}

// gunzip returns what an answer that says it is compressed holds.
func gunzip(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if got := w.Header()["Content-Encoding"]; len(got) != 1 || got[0] != "gzip" {
		t.Errorf("Content-Encoding: %q", got)
		return w.Body.String()
	}
	r, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Error(err)
		return ""
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

// is reports what form of the text an answer is, and whether all that it says of itself is right.
func is(t *testing.T, w *httptest.ResponseRecorder, text string) string {
	t.Helper()
	h := w.Header()
	form, tag, body := "whole", `"v1"`, w.Body.String()
	if h["Content-Encoding"] != nil {
		form, tag, body = "gzip", `"v1-gzip"`, gunzip(t, w)
	}
	if w.Code != http.StatusOK || body != text || h.Get("Etag") != tag || h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		t.Errorf("%s: %d %v, %d bytes", form, w.Code, h, len(body))
	}
	return form
}

// nearAndFar are one of this process's memory and one that is not.
func nearAndFar() map[string]func() store.Backend {
	return map[string]func() store.Backend{
		"in memory": func() store.Backend { return memstore.New(memstore.Config{}) },
		"remote":    func() store.Backend { return fakes.NewFleet() },
	}
}

// over serves a handler under a policy over a backend.
func over(t *testing.T, b store.Backend, p output.Policy, h http.HandlerFunc) *page {
	t.Helper()
	return serve(t, output.Config{Store: store.New(b, store.Config{})}, p, h)
}

var compressed = output.For(time.Minute).Compress()

// One entry gives each client the form that it prefers, with a tag and a length of its own, and says that it does.
func TestCompressOneEntryTwoForms(t *testing.T) {
	t.Parallel()
	for in, backend := range nearAndFar() {
		for first, forms := range map[string][]string{"": {"whole", "gzip"}, "gzip": {"gzip", "whole"}} {
			p := over(t, backend(), compressed, text(prose))
			for i := range 6 {
				accepts := first
				if i%2 == 1 {
					accepts = map[string]string{"": "gzip", "gzip": ""}[first]
				}
				w := ask(p, http.MethodGet, "Accept-Encoding", accepts)
				if form := is(t, w, prose); form != forms[i%2] {
					t.Errorf("%s, %q, %d: %s", in, accepts, i, form)
				}
				if vary := w.Header()["Vary"]; len(vary) != 1 || vary[0] != "Accept-Encoding" {
					t.Errorf("%s, %q, %d: Vary %q", in, accepts, i, vary)
				}
				if hit := strings.Contains(w.Header().Get("Cache-Status"), "hit"); hit != (i > 0) {
					t.Errorf("%s, %q, %d: %s", in, accepts, i, w.Header().Get("Cache-Status"))
				}
			}
			if n := p.runs.Load(); n != 1 {
				t.Errorf("%s: %d runs", in, n)
			}
		}
	}
}

// The weights of Accept-Encoding count: what is refused is not sent, and what is preferred is.
func TestCompressObeysTheWeights(t *testing.T) {
	t.Parallel()
	p := over(t, memstore.New(memstore.Config{}), compressed, text(prose))
	for range 2 {
		for accepts, want := range map[string]string{
			"gzip": "gzip", "x-gzip": "gzip", "*": "gzip", "br, gzip;q=0.1": "gzip", "identity;q=0.5, gzip;q=0.5": "gzip",
			"gzip;q=0": "whole", "*;q=0": "whole", "*, gzip;q=0": "whole", "br": "whole", "gzip;q=0.5, identity": "whole", "": "whole",
		} {
			if form := is(t, ask(p, http.MethodGet, "Accept-Encoding", accepts), prose); form != want {
				t.Errorf("%q: %s", accepts, form)
			}
		}
	}
}

// A condition is judged against the form that would be sent.
func TestCompressConditions(t *testing.T) {
	t.Parallel()
	for in, backend := range nearAndFar() {
		p := over(t, backend(), compressed, text(prose, "Last-Modified", lastModified))
		ask(p, http.MethodGet, "Accept-Encoding", "gzip")
		for _, row := range []struct {
			accepts, name, value string
			code                 int
			tag                  string
		}{
			{"gzip", "If-None-Match", `"v1-gzip"`, 304, `"v1-gzip"`},
			{"gzip", "If-None-Match", `W/"v1-gzip"`, 304, `"v1-gzip"`},
			{"gzip", "If-None-Match", `"v1"`, 200, `"v1-gzip"`},
			{"", "If-None-Match", `"v1"`, 304, `"v1"`},
			{"", "If-None-Match", `"v1-gzip"`, 200, `"v1"`},
			{"gzip", "If-Modified-Since", lastModified, 304, `"v1-gzip"`},
			{"", "If-Modified-Since", lastModified, 304, `"v1"`},
		} {
			w := ask(p, http.MethodGet, "Accept-Encoding", row.accepts, row.name, row.value)
			h := w.Header()
			if w.Code != row.code || h.Get("Etag") != row.tag || h.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s, %v: %d %v", in, row, w.Code, h)
			}
			if w.Code == 304 && (h["Content-Encoding"] != nil || h["Content-Length"] != nil || w.Body.Len() > 0) {
				t.Errorf("%s, %v: a 304 with %v", in, row, h)
			}
		}
	}
}

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
			if d := cmp.Diff(get.Header(), head.Header()); d != "" || head.Body.Len() > 0 {
				t.Errorf("%s, %q: -get +head\n%s", in, accepts, d)
			}
		}
	}
}

// A part is one of the page as it is.
func TestCompressRanges(t *testing.T) {
	t.Parallel()
	for in, backend := range nearAndFar() {
		p := over(t, backend(), compressed, text(prose))
		ask(p, http.MethodGet, "Accept-Encoding", "gzip")
		for ifRange, code := range map[string]int{`"v1"`: 206, `"v1-gzip"`: 200} {
			w := ask(p, http.MethodGet, "Accept-Encoding", "gzip", "Range", "bytes=4-8", "If-Range", ifRange)
			h := w.Header()
			if w.Code != code || h.Get("Etag") != `"v1"` || h["Content-Encoding"] != nil || h.Get("Vary") != "Accept-Encoding" ||
				code == 206 && w.Body.String() != "happy" || code == 200 && w.Body.String() != prose {
				t.Errorf("%s, %s: %d %v", in, ifRange, w.Code, h)
			}
		}
		if w := ask(p, http.MethodGet, "Accept-Encoding", "gzip", "Range", "lines=1-2"); is(t, w, prose) != "gzip" {
			t.Errorf("%s: a field that is ignored: %v", in, w.Header())
		}
	}
}

// What is made at the fill and what a hit makes: in memory the first hit that wants it, once; remotely the fill, always.
func TestCompressIsDoneOnce(t *testing.T) {
	t.Parallel()
	for in, backend := range nearAndFar() {
		for name, row := range map[string]struct {
			text, first string
			policy      output.Policy
			made        int // by hits
		}{
			"a hit wants it":             {prose, "", compressed, 1},
			"the fill wants it":          {prose, "gzip", compressed, 0},
			"it saves nothing":           {chaos, "", compressed, 1},
			"nor at the fill":            {chaos, "gzip", compressed, 0},
			"there is no room":           {noise, "", compressed.MaxBytes(12_000), 1},
			"nor at the fill, no room":   {noise, "gzip", compressed.MaxBytes(12_000), 0},
			"nobody has asked for it":    {prose, "", output.For(time.Minute), 0},
			"there is room for the rest": {noise, "", compressed.MaxBytes(17_000), 1},
		} {
			p := over(t, backend(), row.policy, text(row.text))
			made := 0
			p.cache.SetYield(func(point string) {
				if point == "compress" {
					made++
				}
			})
			for _, accepts := range []string{row.first, "", "gzip", "gzip", "", "gzip"} {
				is(t, ask(p, http.MethodGet, "Accept-Encoding", accepts), row.text)
			}
			want := row.made
			if in == "remote" {
				want = 0
			}
			if made != want {
				t.Errorf("%s, %s: made %d times by hits, want %d", in, name, made, want)
			}
			if n := p.runs.Load(); n != 1 {
				t.Errorf("%s, %s: %d runs", in, name, n)
			}
		}
	}
}

// While one hit makes the compressed form, others are given the page as it is.
func TestCompressHasOneMaker(t *testing.T) {
	t.Parallel()
	p := over(t, memstore.New(memstore.Config{}), compressed, text(prose))
	ask(p, http.MethodGet)
	making, finish := make(chan struct{}), make(chan struct{})
	var makers atomic.Int32
	p.cache.SetYield(func(point string) {
		if point == "compress" {
			makers.Add(1)
			close(making)
			<-finish
		}
	})
	maker := make(chan *httptest.ResponseRecorder)
	go func() { maker <- ask(p, http.MethodGet, "Accept-Encoding", "gzip") }()
	<-making
	var others sync.WaitGroup
	for range 20 {
		others.Go(func() {
			if form := is(t, ask(p, http.MethodGet, "Accept-Encoding", "gzip"), prose); form != "whole" {
				t.Errorf("meanwhile: %s", form)
			}
		})
	}
	others.Wait()
	close(finish)
	if form := is(t, <-maker, prose); form != "gzip" {
		t.Errorf("the maker: %s", form)
	}
	if form := is(t, ask(p, http.MethodGet, "Accept-Encoding", "gzip"), prose); form != "gzip" || makers.Load() != 1 {
		t.Errorf("afterwards: %s, %d makers", form, makers.Load())
	}
}

// A page that is evicted while it is compressed does not come back.
func TestCompressWhileEvicted(t *testing.T) {
	t.Parallel()
	p := over(t, memstore.New(memstore.Config{}), compressed.Tag("a"), text(prose))
	ask(p, http.MethodGet)
	p.cache.SetYield(func(point string) {
		if point == "compress" {
			if err := p.cache.Evict(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}
	})
	is(t, ask(p, http.MethodGet, "Accept-Encoding", "gzip"), prose)
	if w := ask(p, http.MethodGet, "Accept-Encoding", "gzip"); !strings.Contains(w.Header().Get("Cache-Status"), "stored") {
		t.Errorf("%v", w.Header())
	}
}

// I-8: what a hit has made counts, and is given back with its page.
func TestI8_TheCompressedFormCounts(t *testing.T) {
	t.Parallel()
	p := over(t, memstore.New(memstore.Config{}), compressed.Tag("a"), text(noise))
	ask(p, http.MethodGet)
	ask(p, http.MethodGet)
	whole := p.cache.Stats().Store.Bytes
	w := ask(p, http.MethodGet, "Accept-Encoding", "gzip")
	if is(t, w, noise) != "gzip" {
		t.Fatal("not compressed")
	}
	grown := p.cache.Stats().Store.Bytes - whole
	if size := int64(w.Body.Len()); grown < size || grown > size+2048 {
		t.Errorf("%d bytes more for a form of %d", grown, size)
	}
	if err := p.cache.Evict(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	ask(p, http.MethodGet)
	ask(p, http.MethodGet)
	if now := p.cache.Stats().Store.Bytes; now > whole+256 || p.runs.Load() != 2 {
		t.Errorf("%d bytes with another page in its place, %d before", now, whole)
	}
}

// I-8: a compressed form for which the backend has no room is not kept, and not tried again.
func TestI8_TheCompressedFormDoesNotFit(t *testing.T) {
	t.Parallel()
	large := hex.EncodeToString([]byte(random(22_000)))
	p := over(t, memstore.New(memstore.Config{MaxBytes: 64 << 10, Shards: 1}), compressed, text(large))
	ask(p, http.MethodGet)
	made := 0
	p.cache.SetYield(func(string) { made++ })
	for i := range 3 {
		w := ask(p, http.MethodGet, "Accept-Encoding", "gzip")
		if form := is(t, w, large); i > 0 && form != "whole" || !strings.Contains(w.Header().Get("Cache-Status"), "hit") {
			t.Errorf("%d: %s %v", i, form, w.Header())
		}
	}
	if made != 1 || p.cache.Stats().Store.Bytes > 64<<10 {
		t.Errorf("made %d times; %+v", made, p.cache.Stats().Store)
	}
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
				w.WriteHeader(404)
				_, _ = io.WriteString(w, prose)
			}, compressed.StatusFor(time.Minute, 404), 404, ""},
			"a 204": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, compressed.StatusFor(time.Minute, 204), 204, ""},
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

// Whoever waits for a fill is given the form that they want, if the one who fills wants it, and else the page as it is.
func TestCompressForThoseWhoWait(t *testing.T) {
	for first, want := range map[string]string{"gzip": "gzip", "": "whole"} {
		synctest.Test(t, func(t *testing.T) {
			finish := make(chan struct{})
			p := serve(t, output.Config{}, compressed, func(w http.ResponseWriter, r *http.Request) {
				<-finish
				text(prose)(w, r)
			})
			answers := make(chan *httptest.ResponseRecorder)
			for _, accepts := range []string{first, "gzip"} {
				go func() { answers <- ask(p, http.MethodGet, "Accept-Encoding", accepts) }()
				synctest.Wait() // the first fills, the other waits
			}
			close(finish)
			forms := map[string]int{}
			for range 2 {
				forms[is(t, <-answers, prose)]++
			}
			if s := p.cache.Stats(); forms[want] != 2 || s.Collapsed != 1 {
				t.Errorf("%q: %v, %d collapsed", first, forms, s.Collapsed)
			}
		})
	}
}

// A policy that says both is wrong, and is told what to do.
func TestCompressAndVaryHeader(t *testing.T) {
	t.Parallel()
	err := compressed.VaryHeader("accept-encoding").Validate()
	if err == nil || !strings.Contains(err.Error(), "leave out VaryHeader") {
		t.Errorf("%v", err)
	}
	if compressed.Validate() != nil || compressed.String() == output.For(time.Minute).String() {
		t.Error("Compress is no part of the policy")
	}
}

// Hits of both forms at once, while the page is made, compressed, evicted and made again.
func TestCompressInACrowd(t *testing.T) {
	t.Parallel()
	p := over(t, memstore.New(memstore.Config{}), compressed.Tag("a"), text(prose))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				if i == 0 && n%10 == 0 {
					if err := p.cache.Evict(t.Context(), "a"); err != nil {
						t.Error(err)
					}
				}
				accepts := [...]string{"gzip", "", "gzip;q=0"}[(i+n)%3]
				if form := is(t, ask(p, http.MethodGet, "Accept-Encoding", accepts), prose); form == "gzip" && accepts != "gzip" {
					t.Errorf("%q: %s", accepts, form)
				}
			}
		})
	}
	all.Wait()
}

// A damaged compressed form is a client's trouble and no crash; a length that is wrong is a miss (I-9).
func TestI9_ADamagedCompressedFormIsAMiss(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]byte) []byte{
		"cut":    func(b []byte) []byte { return b[:len(b)-1] },
		"longer": func(b []byte) []byte { return append(b, 0) },
	} {
		p := over(t, tampering{fakes.NewFleet(), change}, compressed, text(prose))
		for range 2 {
			if form := is(t, ask(p, http.MethodGet, "Accept-Encoding", "gzip"), prose); form != "gzip" {
				t.Errorf("%s: %s", name, form)
			}
		}
		if s := p.cache.Stats(); s.Hits != 0 || s.Damaged == 0 {
			t.Errorf("%s: %d hits, %d damaged", name, s.Hits, s.Damaged)
		}
	}
}

// A page that a hit has compressed is a view beside the record: what it takes is said once a fill in docs/BENCHMARKS.md.
func ExamplePolicy_Compress() {
	cache, err := output.New(output.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	list := cache.Handler(output.For(time.Minute).Compress(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"7"`)
		_, _ = io.WriteString(w, strings.Repeat("a product ", 1000))
	}))
	for _, accepts := range []string{"gzip", "gzip;q=0"} {
		r := httptest.NewRequest(http.MethodGet, "/products", http.NoBody)
		r.Header.Set("Accept-Encoding", accepts)
		w := httptest.NewRecorder()
		list.ServeHTTP(w, r)
		fmt.Printf("%q %s %s\n", w.Header().Get("Content-Encoding"), w.Header().Get("Etag"), w.Header().Get("Vary"))
	}
	// Output:
	// "gzip" "7-gzip" Accept-Encoding
	// "" "7" Accept-Encoding
}
