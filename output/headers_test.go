package output_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

func drawHeader(t *rapid.T, label string) http.Header {
	h := http.Header{}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "Vary"}), 0, 3).Draw(t, label) {
		h[name] = rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2"}), 1, 3).Draw(t, label+" values")
	}
	return h
}

// What a handler did to the headers of its answer survives the wire, whether it set, added or deleted.
func TestI5_DifferenceSurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		before, after := drawHeader(rt, "before"), drawHeader(rt, "after")
		for name, values := range before {
			if rapid.Bool().Draw(rt, "extended") {
				after[name] = append(slices.Clone(values), "9")
			}
		}
		page, err := output.Decode(output.WireOf(before, after).Encode(), "key")
		if err != nil {
			rt.Fatal(err)
		}
		got := before.Clone()
		page.Replay(got)
		if d := cmp.Diff(after, got); d != "" {
			rt.Errorf("-want +got\n%s", d)
		}
	})
}

// around is outer middleware whose headers differ from request to request, and a handler that knows about some of them.
func around(cached http.Handler, outer func() http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), outer())
		cached.ServeHTTP(w, r)
	})
}

// Every answer has its own outer middleware's headers, changed as the handler changed those of the answer it made.
func TestI5_OnlyTheHandlersPartIsReplayed(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("X-Replaced", "handler")
		h.Add("X-Added", "handler")
		h.Add("Vary", "Accept-Language")
		h.Del("X-Deleted")
		h.Set("X-Own", "handler")
		_, _ = io.WriteString(w, "page")
	})
	fill := http.Header{
		"X-Replaced": {"1"}, "X-Added": {"1"}, "X-Deleted": {"1"}, "X-Nonce": {"1"}, "X-Once": {"1"},
	}
	hit := http.Header{
		"X-Replaced": {"2"}, "X-Added": {"2"}, "X-Deleted": {"2"}, "X-Nonce": {"2"}, "X-Late": {"2"}, "Vary": {"Origin"},
	}
	want := http.Header{
		"X-Replaced": {"handler"}, "X-Added": {"2", "handler"}, "X-Nonce": {"2"}, "X-Late": {"2"}, "X-Own": {"handler"},
		"Vary": {"Origin", "Accept-Language"},
	}
	for name, c := range map[string]output.Config{
		"from a view": {},
		"by trip":     {Store: store.New(struct{ store.Backend }{memstore.New(memstore.Config{})}, store.Config{})},
	} {
		policy := output.For(time.Minute).VaryHeader("Accept-Language")
		outer := fill
		h := around(newCache(t, c).Handler(policy, handler), func() http.Header { return outer.Clone() })
		ask(h, http.MethodGet)
		outer = hit
		got := ask(h, http.MethodGet).Header()
		if !strings.Contains(got.Get("Cache-Status"), "hit") {
			t.Errorf("%s: %v", name, got)
		}
		for _, own := range []string{"Age", "Cache-Control", "Cache-Status", "Content-Length", "Content-Type", "Date", "Etag"} {
			delete(got, own)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// bleeds says what one answer shows of what was done to another that was open at the same time. answer returns the
// headers of a new answer.
func bleeds(answer func() http.Header) (fields []string) {
	one, two := answer(), answer()
	for name := range one {
		one[name] = append(one[name], "of one")
		two[name] = append(two[name], "of two")
		if last := one[name][len(one[name])-1]; last != "of one" {
			fields = append(fields, fmt.Sprintf("%s: %s", name, last))
		}
	}
	for name, values := range answer() {
		if slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, "of ") }) {
			fields = append(fields, name+" of a third")
		}
	}
	return fields
}

// Answers share values, and none has room into which another could append.
func TestI5_AnswersDoNotBleedIntoEachOther(t *testing.T) {
	t.Parallel()
	outer := func() http.Header { return http.Header{"X-Outer": {"1"}, "Cache-Status": {"outer; fwd=miss"}} }
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"alone":            func(h http.Handler) http.Handler { return h },
		"under middleware": func(h http.Handler) http.Handler { return around(h, outer) },
	} {
		for seen, c := range map[string]output.Config{
			"from a view": {},
			"by trip":     {Store: store.New(struct{ store.Backend }{memstore.New(memstore.Config{})}, store.Config{})},
		} {
			h := wrap(newCache(t, c).Handler(output.For(time.Minute), set("X-List", "a", "b", "c")))
			ask(h, http.MethodGet)
			if fields := bleeds(func() http.Header { return ask(h, http.MethodGet).Header() }); len(fields) > 0 {
				t.Errorf("%s, %s: %q", name, seen, fields)
			}
		}
	}
}

func TestI5_SharedRoomIsNoticed(t *testing.T) {
	t.Parallel()
	shared := append(make([]string, 0, 8), "a", "b")
	whole := http.Header{"X-List": {"a"}}
	for name, mutant := range map[string]func() http.Header{
		"values with room to spare": func() http.Header { return http.Header{"X-List": shared} },
		"the map itself":            func() http.Header { return whole },
	} {
		if len(bleeds(mutant)) == 0 {
			t.Errorf("%s is shared and nobody notices", name)
		}
	}
}

// keeper is a writer that keeps what it is given and appends to it, as a buffer that grows in place does.
type keeper struct {
	*httptest.ResponseRecorder

	kept []byte
}

func (k *keeper) Write(p []byte) (int, error) {
	k.kept = append(p, '.') //nolint:gocritic,staticcheck // the point of it
	return len(p), nil
}

// The body of an answer has no room either.
func TestI5_BodiesDoNotBleedIntoEachOther(t *testing.T) {
	t.Parallel()
	for seen, c := range map[string]output.Config{
		"from a view": {},
		"by trip":     {Store: store.New(struct{ store.Backend }{memstore.New(memstore.Config{})}, store.Config{})},
	} {
		p := serve(t, c, output.For(time.Minute), slow(0))
		ask(p, http.MethodGet)
		open := func() *keeper {
			k := &keeper{ResponseRecorder: httptest.NewRecorder()}
			p.ServeHTTP(k, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
			return k
		}
		one, two := open(), open()
		if &one.kept[0] == &two.kept[0] {
			t.Errorf("%s: two answers have appended to one array", seen)
		}
	}
}
