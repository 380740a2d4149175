package output_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
)

// A stale page has parts and a compressed form like a fresh one, and what makes it anew is asked for all of it.
func TestStaleRepresentations(t *testing.T) {
	for in, backend := range nearAndFar() {
		synctest.Test(t, func(t *testing.T) {
			version, ranges := "one ", ""
			p := over(t, backend(), forAMinute().Compress(), func(w http.ResponseWriter, r *http.Request) {
				ranges += r.Header.Get("Range")
				time.Sleep(time.Millisecond) // what is made anew comes when the stale one has been shown
				w.Header().Set("Etag", `"`+strings.TrimSpace(version)+`"`)
				_, _ = io.WriteString(w, version+prose)
			})
			ask(p, http.MethodGet)
			time.Sleep(11 * time.Second)
			version = "two "
			w := ask(p, http.MethodGet, "Range", "bytes=0-2")
			if said := w.Header().Get("Cache-Status"); w.Code != 206 || w.Body.String() != "one" || !strings.Contains(said, "hit; ttl=-1;") {
				t.Errorf("%s: a part: %d %q %s", in, w.Code, w.Body, said)
			}
			time.Sleep(time.Second)
			w = ask(p, http.MethodGet, "Range", "bytes=0-2")
			if w.Code != 206 || w.Body.String() != "two" || w.Header().Get("Etag") != `"two"` {
				t.Errorf("%s: a part of what was made anew: %d %q", in, w.Code, w.Body)
			}
			time.Sleep(11 * time.Second)
			version = "six "
			w = ask(p, http.MethodGet, "Accept-Encoding", "gzip")
			if got := gunzip(t, w); got != "two "+prose || w.Header().Get("Etag") != `"two-gzip"` {
				t.Errorf("%s: compressed: %v", in, w.Header())
			}
			time.Sleep(time.Second)
			if got := gunzip(t, ask(p, http.MethodGet, "Accept-Encoding", "gzip")); got != "six "+prose {
				t.Errorf("%s: compressed anew: %.10s", in, got)
			}
			if n := p.runs.Load(); n != 3 || ranges != "" {
				t.Errorf("%s: %d runs, which saw %q", in, n, ranges)
			}
		})
	}
}

// Of a page that is stale, and may stand in for a failure, a part is not the handler's to give: the whole is made anew, and a
// part comes from that, or from the page that stands in.
func TestStaleIfErrorForAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails, version := false, "one"
		p := serve(t, output.Config{}, output.For(10*time.Second).Jitter(0).StaleIfError(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				t.Error("the handler is asked for a part")
			}
			if fails {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			_, _ = io.WriteString(w, version+" page")
		})
		part := func(want, said string) {
			t.Helper()
			w := ask(p, http.MethodGet, "Range", "bytes=0-2")
			if got := w.Header().Get("Cache-Status"); w.Code != 206 || w.Body.String() != want || !strings.Contains(got, said) {
				t.Errorf("%d %q %s", w.Code, w.Body, got)
			}
		}
		ask(p, http.MethodGet)
		time.Sleep(11 * time.Second)
		fails = true
		part("one", "fwd=stale; fwd-status=502")
		part("one", "hit; ttl=-1")
		time.Sleep(2 * time.Second)
		fails, version = false, "two"
		part("two", "fwd=stale; stored; ttl=10")
		part("two", "hit; ttl=10")
	})
}
