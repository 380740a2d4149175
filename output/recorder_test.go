package output_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// said is an answer as a client reads it from the wire.
type said struct {
	Status  int
	Body    string
	Trailer http.Header
	Early   []string // informational answers
	Length  int64
	Error   string
}

// overHTTP asks a handler through a real server.
func overHTTP(t *testing.T, h http.Handler) said {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	var s said
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			s.Early = append(s.Early, fmt.Sprint(code, header.Get("Link")))
			return nil
		},
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/page", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	a, err := server.Client().Do(r)
	if err != nil {
		return said{Error: "no answer"}
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		s.Error = "cut off"
	}
	s.Status, s.Body, s.Trailer, s.Length = a.StatusCode, string(body), a.Trailer, a.ContentLength
	return s
}

// A handler may do whatever it may do without a cache, and its client is told the same.
func TestHandlersDoAsTheyPlease(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"writes": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			_, _ = io.WriteString(w, "b")
		},
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"flushes": func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "a")
				w.(http.Flusher).Flush()
			}
		},
		"flushes at once": func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "a")
		},
		"two heads": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusGone)
		},
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "a")
		},
		"a trailer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, strings.Repeat("a", 5000))
			w.Header().Set("X-Sum", "1")
		},
		"a late trailer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		},
		"too much": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("a", 3<<20)) },
		"too short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "a")
		},
		"aborts": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"deadlines": func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "a")
		},
		"hijacks": hijack,
		"a 204":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a 302":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/page/", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := overHTTP(t, handler)
			cached := newCache(t, output.Config{}).Handler(output.For(time.Minute), handler)
			for _, turn := range []string{"first", "second"} {
				got := overHTTP(t, cached)
				if want.Length < 0 && got.Length == int64(len(want.Body)) {
					got.Length = want.Length // the cache knows the length where a handler does not
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("the %s time: -without +with\n%s", turn, d)
				}
			}
		})
	}
}

func hijack(w http.ResponseWriter, _ *http.Request) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
	_ = buf.Flush()
}

// A stream is its client's: the client's going away ends it, and the cache's patience does not.
func TestAStreamBelongsToItsClient(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	cached := newCache(t, output.Config{Patience: 50 * time.Millisecond}).Handler(output.For(time.Minute), http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "event\n")
			w.(http.Flusher).Flush()
			if _, limited := r.Context().Deadline(); limited {
				t.Error("a stream has a deadline")
			}
			<-r.Context().Done()
			ended <- r.Context().Err()
		}))
	server := httptest.NewServer(cached)
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	a, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if line, err := bufio.NewReader(a.Body).ReadString('\n'); line != "event\n" {
		t.Fatal(line, err)
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What a handler passes on of another cache stands before what this one says, whether the answer is stored or not.
func TestCacheStatusOfTheOrigin(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{Name: "shop"})
	for name, row := range map[string]struct {
		set  func(h http.Header)
		want string
	}{
		"stored":     {func(http.Header) {}, "upstream; hit|shop; fwd=uri-miss; stored"},
		"set-cookie": {func(h http.Header) { h.Set("Set-Cookie", "a=b") }, "upstream; hit|shop; fwd=uri-miss; detail=set-cookie"},
	} {
		h := cache.Handler(output.For(time.Minute), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Status", "upstream; hit")
			row.set(w.Header())
			_, _ = io.WriteString(w, "page")
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+name, http.NoBody))
		got, _, _ := strings.Cut(strings.Join(w.Header()["Cache-Status"], "|"), "; ttl=")
		if got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}
