package output_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
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
