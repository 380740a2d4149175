package output_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// judging gives every fill the same verdict.
type judging struct {
	store.Backend

	verdict store.Verdict
}

func (b judging) Store(context.Context, string, store.Record) (store.Verdict, error) {
	return b.verdict, nil
}

// What Cache-Status says of a fill, by verdict and by how much it may say (RFC 9211, sections 2.1 to 2.8).
func TestCacheStatusOfAFill(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		open    func(store.Backend) store.Backend
		handler http.HandlerFunc
		full    string
		short   string
	}{
		"fenced":   {func(b store.Backend) store.Backend { return judging{b, store.Fenced} }, set("X", "1"), "fwd=uri-miss; detail=fenced", "fwd=uri-miss"},
		"refused":  {func(b store.Backend) store.Backend { return refusing{b} }, set("X", "1"), "fwd=uri-miss; detail=refused", "fwd=uri-miss"},
		"unknown":  {func(b store.Backend) store.Backend { return judging{b, store.Unknown} }, set("X", "1"), "fwd=uri-miss; detail=backend", "fwd=uri-miss"},
		"no fence": {func(b store.Backend) store.Backend { return failing{b} }, set("X", "1"), "fwd=uri-miss; detail=backend", "fwd=uri-miss"},
		"not kept": {func(b store.Backend) store.Backend { return b }, set("Set-Cookie", "a=b"), "fwd=uri-miss; detail=set-cookie", "fwd=uri-miss"},
	} {
		for mode, want := range map[output.Status]string{
			output.StatusFull: "shop; " + row.full, output.StatusShort: "shop; " + row.short, output.StatusOff: "",
		} {
			config := output.Config{Name: "shop", Status: mode, Store: store.New(row.open(memstore.New(memstore.Config{})), store.Config{})}
			p := serve(t, config, output.For(time.Minute), row.handler)
			if got := ask(p, http.MethodGet).Header().Get("Cache-Status"); got != want {
				t.Errorf("%s, %d: %q, not %q", name, mode, got, want)
			}
		}
	}
}

func TestCacheStatusOfAHitAndOfACrowd(t *testing.T) {
	for mode, tail := range map[output.Status]string{output.StatusFull: "; detail=memory", output.StatusShort: "", output.StatusOff: ""} {
		synctest.Test(t, func(t *testing.T) {
			p := serve(t, output.Config{Status: mode}, output.For(time.Minute).Jitter(0), slow(time.Second))
			var got []string
			for _, a := range append(p.crowd(3, always), ask(p, http.MethodGet)) {
				got = append(got, a.Header()["Cache-Status"]...)
			}
			want := []string{
				"echocache; fwd=uri-miss; collapsed; ttl=60", "echocache; fwd=uri-miss; collapsed; ttl=60",
				"echocache; fwd=uri-miss; stored; ttl=60", "echocache; hit; ttl=60" + tail,
			}
			if mode == output.StatusOff {
				want = nil
			}
			slices.Sort(got)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%d: -want +got\n%s", mode, d)
			}
		})
	}
}

// A name that is no token stands in quotes, and one that is does not (RFC 8941, section 3.3).
func TestCacheStatusName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"shop": "shop", "Shop-1.eu": "Shop-1.eu", "*": "*", "7shop": `"7shop"`, "-shop": `"-shop"`, "a,b": `"a,b"`, "a;b": `"a;b"`,
		`a"b`: `"a\"b"`, `a\b`: `"a\\b"`,
	} {
		p := serve(t, output.Config{Name: name}, output.Off(), slow(0))
		if got := ask(p, http.MethodGet).Header().Get("Cache-Status"); got != want+"; fwd=bypass; detail=policy-off" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Other caches' members stay, in front of ours: the list is in the order from the origin to the client, and what stands
// there already was said by a cache that is nearer to it, or by middleware that speaks for one.
func TestCacheStatusOfOthersStays(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), slow(0))
	h := around(p, func() http.Header { return http.Header{"Cache-Status": {"outer; fwd=miss"}} })
	for _, sent := range [][]string{nil, nil, {"Range", "bytes=0-1"}} {
		got := ask(h, http.MethodGet, sent...).Header()["Cache-Status"]
		if len(got) != 2 || got[0] != "outer; fwd=miss" || !strings.HasPrefix(got[1], "echocache; ") {
			t.Errorf("%q", got)
		}
	}
}

// Of several reasons to bypass the answer always tells the same.
func TestBypassReasonIsStable(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), slow(0))
	sent := []string{"Upgrade", "h2c", "Range", "bytes=0-1", "If-Match", `"a"`, "X-Http-Method", "PUT", "Accept", "text/event-stream"}
	for range 50 {
		if got := ask(p, http.MethodGet, sent...).Header().Get("Cache-Status"); got != "echocache; fwd=bypass; detail=event-stream" {
			t.Fatal(got)
		}
	}
}

// Other reasons to bypass, and fields that look like one.
func TestBypassOnTheEdge(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"X-Http-Method":            {func(r *http.Request) { r.Header.Set("X-Http-Method", "PUT") }, "fwd=bypass; detail=method-override"},
		"a target of no path":      {func(r *http.Request) { r.URL.Opaque = "//host/page" }, "fwd=bypass; detail=no-route"},
		"OPTIONS":                  {func(r *http.Request) { r.Method = http.MethodOptions }, "fwd=method"},
		"get":                      {func(r *http.Request) { r.Method = "get" }, "fwd=method"},
		"a range of no lines":      {func(r *http.Request) { r.Header["Range"] = []string{} }, "fwd=uri-miss; stored; ttl=60"},
		"events among other types": {func(r *http.Request) { r.Header.Set("Accept", "text/html, text/event-stream") }, "fwd=uri-miss; stored; ttl=60"},
		"an empty cookie line":     {func(r *http.Request) { r.Header.Set("Cookie", " ; ;") }, "fwd=uri-miss; stored; ttl=60"},
	} {
		p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), slow(0))
		r := httptest.NewRequest(http.MethodGet, "/page", http.NoBody)
		row.change(r)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if got := w.Header().Get("Cache-Status"); got != "echocache; "+row.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A request without a header is not answered with the page of one that has it, whichever came first.
func TestAHeaderThatIsMissingSelectsToo(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute).VaryHeader("X-A", "X-B"), func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-A")+"/"+r.Header.Get("X-B"))
	})
	for range 3 {
		for want, sent := range map[string][]string{"1/": {"X-A", "1"}, "/1": {"X-B", "1"}, "/": nil, "1/1": {"X-A", "1", "X-B", "1"}} {
			if got := ask(p, http.MethodGet, sent...).Body.String(); got != want {
				t.Errorf("%q is answered with %q", want, got)
			}
		}
	}
}
