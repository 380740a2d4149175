package output_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Pages that are read one after the other into the same place leave the headers alone that earlier ones have given to answers,
// whatever their fields, and leave nothing of themselves for the next.
func TestAPlaceIsNoAnswersMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`X-[A-Z]`), rapid.SampledFrom([]string{"Date", "Etag", "Vary", "Link", "Cache-Control"}))
		value := rapid.OneOf(rapid.StringMatching(`[a-z]{0,3}`),
			rapid.SampledFrom([]string{"Thu, 01 Jan 1970 00:00:01 GMT", `W/"0123456789abcdef0123456789abcdef"`, "gzip"}))
		place := new(output.Place)
		var want, got []http.Header
		for i := range rapid.IntRange(1, 5).Draw(rt, "pages") {
			header := http.Header{}
			for _, name := range rapid.SliceOfN(name, 0, 12).Draw(rt, "names") {
				header[name] = rapid.SliceOfN(value, 0, 3).Draw(rt, "values")
			}
			status := rapid.SampledFrom([]int{http.StatusOK, http.StatusNotFound, http.StatusNoContent}).Draw(rt, "status")
			page := output.NewWire("key", status, time.Second, header, fmt.Append(nil, "page ", i))
			if status == http.StatusOK && rapid.Bool().Draw(rt, "packed") {
				page = output.NewPackedWire("key", header, fmt.Append(nil, "page ", i), []byte("zip"))
			}
			entry := page.Encode()
			kept, err := output.Decode(entry, "key")
			if err != nil {
				rt.Fatal(err)
			}
			if err := place.Decode(entry, "key"); err != nil {
				rt.Fatal(err)
			}
			place.Share()
			if !kept.Same(place.Wire()) {
				rt.Errorf("page %d is another one in the place", i)
			}
			want, got = append(want, header), append(got, place.Header())
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Errorf("-want +got\n%s", d)
		}
	})
}

// lender is a door whose every request uses the same scratch, and that goes on after a panic.
type lender struct {
	exchange

	w       http.ResponseWriter
	scratch *output.Scratch
	next    http.HandlerFunc
}

func (l *lender) Scratch() *output.Scratch { return l.scratch }

func (l *lender) Next(r *http.Request) error {
	l.next(l.w, r)
	return nil
}

func (l *lender) Fill(f *output.Fill) error {
	l.next(f.Writer, f.Request)
	return nil
}

// ageing is a backend without a view of this process's memory. It says that all records are new, or, when it is told to, that
// they are about to end.
type ageing struct {
	store.Backend

	old bool
}

func (b *ageing) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := b.Backend.Lookup(ctx, keys...)
	for i := range found {
		switch {
		case found[i].Record == nil:
		case b.old:
			found[i].Left = time.Minute
		default:
			found[i].Left = found[i].Record.TTL
		}
	}
	return found, err //nolint:wrapcheck // it is that of another backend
}

// unwritable is where an answer panics half-way.
type unwritable struct{ http.ResponseWriter }

func (unwritable) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// side is one of two caches that are asked the same.
type side struct {
	mount   *output.Mount
	backend *ageing
	scratch func() *output.Scratch
	cache   *output.Cache
}

func newSide(t *rapid.T, p output.Policy, scratch func() *output.Scratch) side {
	backend := &ageing{Backend: memstore.New(memstore.Config{})}
	cache, err := output.New(output.Config{Store: store.New(backend, store.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	mount, err := cache.Mount(p, output.Door{})
	if err != nil {
		t.Fatal(err)
	}
	return side{mount, backend, scratch, cache}
}

func (s side) close() { _ = errors.Join(s.cache.Close(), s.cache.Store().Close()) }

// ask returns the answer, or nil if it is broken half-way.
func (s side) ask(t *rapid.T, r *http.Request, outer http.Header, broken bool, handler http.HandlerFunc) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	maps.Copy(recorder.Header(), outer.Clone())
	w := http.ResponseWriter(recorder)
	if broken {
		w = unwritable{recorder}
	}
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // it is this very value
			panic(p)
		}
	}()
	if err := s.mount.Serve(w, r, &lender{exchange{asked{Route: "/", Scheme: "http"}}, w, s.scratch(), handler}); err != nil {
		t.Fatal(err)
	}
	return recorder
}

// Requests that share their scratch, one after the other, are answered as if each had its own: whatever they ask for, whatever
// the pages' fields, whether a page is fresh or stale, and whether the answer before was written to its end. And answers are
// not changed by later ones. No handler fails, and each page may be kept: how long a key is left alone otherwise stands in a table
// of hashes, in which two keys may meet in one of the caches and not in the other.
func TestOneRequestAfterTheOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		policy, vary := output.For(time.Hour).Jitter(0).StaleIfError(time.Hour).VaryHeader("Accept-Language"), "Accept-Language"
		if rapid.Bool().Draw(rt, "compress") {
			policy, vary = policy.Compress(), "Accept-Encoding"
		}
		scratch := new(output.Scratch)
		own := newSide(rt, policy, func() *output.Scratch { return new(output.Scratch) })
		defer own.close()
		shared := newSide(rt, policy, func() *output.Scratch { return scratch })
		defer shared.close()
		pages := drawPages(rt, vary)
		handler := func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), pages[r.URL.Path])
			_, _ = io.WriteString(w, strings.Repeat("page "+r.URL.Path, 1+20*len(pages[r.URL.Path])))
		}
		var want, got []http.Header
		both := func(method, path string, header, outer http.Header, broken bool) {
			r := httptest.NewRequest(method, path, http.NoBody)
			r.Header = header
			a, b := own.ask(rt, r.Clone(t.Context()), outer, broken, handler), shared.ask(rt, r, outer, broken, handler)
			if (a == nil) != (b == nil) {
				rt.Fatal(a, b)
			}
			if a == nil {
				return
			}
			if d := cmp.Diff([]any{a.Code, a.Header(), a.Body.String()}, []any{b.Code, b.Header(), b.Body.String()}); d != "" {
				rt.Fatalf("%s %s: -own scratch +shared\n%s", method, path, d)
			}
			want, got = append(want, a.Header().Clone()), append(got, b.Header())
		}
		for path := range pages {
			both(http.MethodGet, path, http.Header{}, http.Header{}, false)
		}
		for range rapid.IntRange(20, 60).Draw(rt, "requests") {
			path := fmt.Sprint("/", rapid.IntRange(0, len(pages)-1).Draw(rt, "page"))
			method := rapid.SampledFrom([]string{http.MethodGet, http.MethodGet, http.MethodHead}).Draw(rt, "method")
			header := rapid.SampledFrom([]http.Header{
				{}, {}, {"Range": {"bytes=0-3"}}, {"If-None-Match": {"*"}}, {"Accept-Encoding": {"gzip"}},
			}).Draw(rt, "header")
			outer := rapid.SampledFrom([]http.Header{{}, {}, {"Vary": {"Origin"}, "X-A": {"outer"}}}).Draw(rt, "outer")
			old := rapid.IntRange(0, 3).Draw(rt, "old") == 0
			own.backend.old, shared.backend.old = old, old
			both(method, path, header, outer, rapid.IntRange(0, 2).Draw(rt, "broken") == 0)
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Errorf("at the end: -want +got\n%s", d)
		}
	})
}

// drawPages draws the headers of some pages, by their paths. Those that vary do so on that.
func drawPages(rt *rapid.T, vary string) map[string]http.Header {
	name := rapid.SampledFrom([]string{
		"X-A", "X-B", "X-C", "X-D", "X-E", "X-F", "X-G", "Accept-Ranges", "Vary", "Cache-Control", "Expires", "Link", "Last-Modified",
	})
	pages := map[string]http.Header{}
	for i := range rapid.IntRange(2, 4).Draw(rt, "pages") {
		header := http.Header{"Date": {"Thu, 01 Jan 1970 00:00:01 GMT"}} // else it would be that of a fill
		if rapid.Bool().Draw(rt, "tagged") {
			header["Etag"] = []string{`"own"`}
		}
		for _, name := range rapid.SliceOfN(name, 0, 14).Draw(rt, "names") {
			switch name {
			case "Vary":
				header[name] = []string{vary}
			case "Cache-Control":
				header[name] = []string{"max-age=9"}
			case "Expires", "Last-Modified":
				header[name] = []string{"Thu, 01 Jan 2099 00:00:01 GMT"}
			case "Link":
				header[name] = []string{fmt.Sprint(i, "a"), fmt.Sprint(i, "b")}
			default:
				header[name] = []string{fmt.Sprint(i, name)}
			}
		}
		pages[fmt.Sprint("/", i)] = header
	}
	return pages
}
