package output_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// ownFields are those that the cache may add to an answer that its handler said nothing of.
var ownFields = []string{"Age", "Cache-Control", "Cache-Status", "Content-Length", "Content-Type", "Date", "Etag"}

// An answer has the same status, headers and body with a cache as without, on the first request and on the second,
// whatever its handler does to its headers and when.
func TestHeadersAreTheSame(t *testing.T) {
	t.Parallel()
	outer := http.Header{"X-Outer": {"1"}, "X-Both": {"1"}}
	for name, handler := range map[string]http.HandlerFunc{
		"headers too late": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", "in time")
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-A", "too late")
			w.Header().Set("X-B", "too late")
			_, _ = io.WriteString(w, "page")
		},
		"only headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", "1")
			w.Header().Del("X-Outer")
		},
		"headers of outer middleware": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("X-Outer")
			w.Header().Add("X-Both", "2")
			_, _ = io.WriteString(w, "page")
		},
		"headers and a flush": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", "1")
			w.Header().Del("X-Outer")
			w.(http.Flusher).Flush()
			w.Header().Set("X-A", "2")
		},
		"a large page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", "1")
			w.WriteHeader(http.StatusOK)
			for range 30 {
				_, _ = io.WriteString(w, strings.Repeat("x", 99))
			}
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"a 304":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"a field without a value": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-Empty"] = []string{""}
			_, _ = io.WriteString(w, "page")
		},
	} {
		bare := around(handler, outer.Clone)
		cached := around(newCache(t, output.Config{}).Handler(output.For(time.Minute).MaxBytes(2000), handler), outer.Clone)
		want := ask(bare, http.MethodGet)
		for _, turn := range []string{"first", "second"} {
			got := ask(cached, http.MethodGet)
			wantHeader, gotHeader := want.Result().Header, got.Result().Header
			for _, own := range ownFields {
				if wantHeader[own] == nil {
					delete(gotHeader, own)
				}
			}
			if d := cmp.Diff(wantHeader, gotHeader); d != "" || got.Code != want.Code || got.Body.String() != want.Body.String() {
				t.Errorf("%s, the %s time: %d %q -without +with\n%s", name, turn, got.Code, got.Body, d)
			}
		}
	}
}

// The limit is of the whole entry, headers included: one byte of body decides, and none above it is kept.
func TestMaxBytesIsALimit(t *testing.T) {
	t.Parallel()
	const limit = 2000
	p := serve(t, output.Config{}, output.For(time.Minute).MaxBytes(limit), func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		_, _ = io.WriteString(w, strings.Repeat("x", n))
	})
	kept := func(n int) bool {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%04d", n), http.NoBody))
		said := w.Header().Get("Cache-Status")
		yes := strings.Contains(said, "hit") || strings.Contains(said, "stored")
		if w.Body.Len() != n || !yes && !strings.HasPrefix(said, "echocache; fwd=uri-miss; detail=") {
			t.Errorf("%d bytes of %d, %s", w.Body.Len(), n, said)
		}
		return yes
	}
	first := sort.Search(limit+1, func(n int) bool { return !kept(n) })
	if first < limit/2 || first > limit-30 {
		t.Errorf("an answer of %d bytes is the first that is not kept", first)
	}
	for n := range 3 {
		if !kept(first-1-n) || kept(first+n) || kept(limit-1+n) {
			t.Errorf("of %d bytes around %d and %d some are kept that are too many, or the reverse", n, first, limit)
		}
	}
}

// broken is a client that left: its connection takes nothing.
type broken struct{ *httptest.ResponseRecorder }

var errBroken = errors.New("the client left")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// A handler whose answer goes straight through hears that its client left. One that is recorded need not know: its page
// is for others, too.
func TestWritesTellTheTruth(t *testing.T) {
	t.Parallel()
	write := func(chunk, limit int) error {
		var said error
		p := serve(t, output.Config{}, output.For(time.Minute).MaxBytes(int64(limit)), func(w http.ResponseWriter, _ *http.Request) {
			for range 2 {
				var n int
				if n, said = w.Write(make([]byte, chunk)); said == nil && n != chunk {
					said = io.ErrShortWrite
				}
			}
		})
		p.ServeHTTP(broken{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
		return said
	}
	if err := write(100, 1000); err != nil {
		t.Errorf("recorded: %v", err)
	}
	if err := write(600, 1000); !errors.Is(err, errBroken) {
		t.Errorf("straight through: %v", err)
	}
}

// informed notes the informational answers that reach the client, with their headers, and nothing else.
type informed struct {
	*httptest.ResponseRecorder

	early []string
}

func (w *informed) WriteHeader(code int) {
	if code < 200 {
		w.early = append(w.early, w.Header().Get("Link")+w.Header().Get("X-Outer"))
		return
	}
	w.ResponseRecorder.WriteHeader(code)
}

// An informational answer goes out at once with the headers of that moment, outer middleware's included; they are not the
// final answer's, and none goes out after that.
func TestInformationalAnswers(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Link", "</b.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusProcessing)
		_, _ = io.WriteString(w, "page")
	})
	w := &informed{ResponseRecorder: httptest.NewRecorder()}
	around(p, func() http.Header { return http.Header{"X-Outer": {"1"}} }).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
	if d := cmp.Diff([]string{"</a.css>1", "</b.css>1"}, w.early); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if w.Code != http.StatusAccepted || w.Header()["Link"] != nil || w.Header().Get("X-Outer") != "1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// A panic goes on to whoever recovers, with what the handler had written, and nobody is left waiting for its page.
func TestAPanicGoesOn(t *testing.T) {
	t.Parallel()
	fail := true
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "page")
		if fail {
			panic("on purpose")
		}
	})
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if r := recover(); r != "on purpose" {
				t.Errorf("recovered %v", r)
			}
		}()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
	}()
	if said := w.Header().Get("Cache-Status"); said != "echocache; fwd=uri-miss; detail=panic" || w.Body.String() != "page" {
		t.Errorf("%s %q", said, w.Body)
	}
	fail = false
	if said := ask(p, http.MethodGet).Header().Get("Cache-Status"); !strings.Contains(said, "stored") {
		t.Errorf("afterwards: %s", said)
	}
}
