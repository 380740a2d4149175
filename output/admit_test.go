package output_test

import (
	"bytes"
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

// set answers with a header field.
func set(name string, values ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()[name] = values
		_, _ = io.WriteString(w, "page")
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// What must not be kept is not, reaches the client as it was said, and Cache-Status says why.
func TestI4_I5_WhatIsNotStored(t *testing.T) {
	t.Parallel()
	base := output.For(time.Minute)
	for name, row := range map[string]struct {
		policy  output.Policy
		handler http.HandlerFunc
		reason  string // "" = it is stored
	}{
		"a page":                     {base, set("X-A", "b"), ""},
		"Set-Cookie":                 {base, set("Set-Cookie", "a=b"), "set-cookie"},
		"private":                    {base, set("Cache-Control", "private"), "private"},
		"private with a field":       {base, set("Cache-Control", `max-age=1, Private="x"`), "private"},
		"no-store":                   {base, set("Cache-Control", "max-age=1", "no-store"), "no-store"},
		"max-age=0 is for others":    {base, set("Cache-Control", "max-age=0"), ""},
		"Vary: *":                    {base, set("Vary", "*"), "vary"},
		"Vary on what is undeclared": {base, set("Vary", "Accept-Language"), "vary"},
		"Vary on what is declared":   {base.VaryHeader("accept-language"), set("Vary", "Accept-Language"), ""},
		"Vary on both":               {base.VaryHeader("accept-language"), set("Vary", "accept-language, x"), "vary"},
		"Vary: Cookie":               {base.VaryCookie("c"), set("Vary", "Cookie"), "vary"},
		"Vary: Authorization":        {base, set("Vary", "Authorization"), "vary"},
		"a trailer":                  {base, set("Trailer", "X-Sum"), "trailer"},
		"a late trailer":             {base, set(http.TrailerPrefix+"X", "1"), "trailer"},
		"a short body":               {base, set("Content-Length", "5"), "short-body"},
		"a body of that length":      {base, set("Content-Length", "4"), ""},
		"nothing":                    {base, func(http.ResponseWriter, *http.Request) {}, "no-answer"},
		"an error":                   {base, status(500), "status"},
		"a 404":                      {base, status(404), "status"},
		"a 404 that is kept":         {base.StatusFor(time.Second, 404), status(404), ""},
		"another that is not":        {base.StatusFor(time.Second, 404), status(410), "status"},
		"a part":                     {base, status(206), "status"},
		"not modified":               {base, status(304), "status"},
		"too large":                  {base.MaxBytes(512), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 600)) }, "too-large"},
		"large headers":              {base.MaxBytes(512), set("X-A", strings.Repeat("x", 600)), "too-large"},
		"flushed": {base, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "b")
		}, "streamed"},
		"told not to":     {base, func(w http.ResponseWriter, r *http.Request) { output.Current(r.Context()).NoStore(); status(200)(w, r) }, "no-store"},
		"no time to live": {base, func(w http.ResponseWriter, r *http.Request) { output.Current(r.Context()).TTL(-1); status(200)(w, r) }, "no-store"},
		"over": {base, func(w http.ResponseWriter, r *http.Request) {
			output.Current(r.Context()).Until(time.Unix(1, 0))
			status(200)(w, r)
		}, "expired"},
		"an invalid tag": {base, func(w http.ResponseWriter, r *http.Request) { output.Current(r.Context()).Tag("*"); status(200)(w, r) }, "tag"},
		"too many tags": {base, func(w http.ResponseWriter, r *http.Request) {
			for i := range 70 {
				output.Current(r.Context()).Tag(strings.Repeat("x", i+1))
			}
			status(200)(w, r)
		}, "too-many-tags"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bare := httptest.NewRecorder()
			row.handler(bare, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
			p := serve(t, output.Config{}, row.policy, row.handler)
			first, second := p.get(t.Context()), p.get(t.Context())
			for _, a := range []*httptest.ResponseRecorder{first, second} {
				if a.Code != bare.Code || !bytes.Equal(a.Body.Bytes(), bare.Body.Bytes()) {
					t.Errorf("%d %q, without a cache %d %q", a.Code, a.Body, bare.Code, bare.Body)
				}
			}
			said := first.Header().Get("Cache-Status")
			if row.reason == "" {
				if !strings.HasPrefix(said, "echocache; fwd=uri-miss; stored; ttl=") || p.runs.Load() != 1 {
					t.Errorf("%s, %d runs", said, p.runs.Load())
				}
				return
			}
			if said != "echocache; fwd=uri-miss; detail="+row.reason || p.runs.Load() != 2 {
				t.Errorf("%s, %d runs", said, p.runs.Load())
			}
			if n := p.cache.Stats().Reasons[row.reason]; n == 0 {
				t.Error("the reason is not counted")
			}
		})
	}
}

// What belongs to one request or one hop is not in what others get.
func TestI5_PerRequestFieldsAreNotReplayed(t *testing.T) {
	t.Parallel()
	gone := http.Header{
		"Connection": {"X-Named"}, "X-Named": {"1"}, "Keep-Alive": {"1"}, "X-Request-Id": {"1"}, "Traceparent": {"1"},
		"Server-Timing": {"1"}, "X-Ratelimit-Remaining": {"1"}, "Ratelimit": {"1"}, "Age": {"77"}, "Cache-Status": {"x; hit"},
	}
	kept := http.Header{"X-Kept": {"a", "b"}, "Link": {"</a>"}, "Etag": {`"v1"`}, "Last-Modified": {"Wed, 01 May 2024 12:00:00 GMT"}}
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
		for _, all := range []http.Header{gone, kept} {
			maps.Copy(w.Header(), all)
		}
		_, _ = io.WriteString(w, "page")
	})
	p.get(t.Context())
	hit := p.get(t.Context())
	for name := range gone {
		if name != "Age" && name != "Cache-Status" && hit.Header()[name] != nil {
			t.Errorf("%s: %s is replayed", name, hit.Header()[name])
		}
	}
	if hit.Header().Get("Age") != "0" || !strings.HasPrefix(hit.Header().Get("Cache-Status"), "echocache; hit") {
		t.Errorf("Age %s, Cache-Status %s", hit.Header()["Age"], hit.Header()["Cache-Status"])
	}
	for name, values := range kept {
		if d := cmp.Diff(values, hit.Header()[name]); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// Replaying the difference between two headers on the first gives the second, whatever they are.
func TestI5_DifferenceIsReplayed(t *testing.T) {
	t.Parallel()
	drawn := rapid.Custom(func(t *rapid.T) http.Header {
		h := http.Header{}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C", "Vary"}), 0, 4).Draw(t, "names") {
			h[name] = rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "3"}), 1, 3).Draw(t, "values")
		}
		return h
	})
	rapid.Check(t, func(rt *rapid.T) {
		before, after := drawn.Draw(rt, "before"), drawn.Draw(rt, "after")
		if extended := rapid.Bool().Draw(rt, "extended"); extended {
			for name, values := range before {
				after[name] = append(append([]string{}, values...), "9")
			}
		}
		if d := cmp.Diff(after, output.Replayed(before, after)); d != "" {
			rt.Errorf("-want +got\n%s", d)
		}
	})
}

// A middleware that changes the headers of its answer must not change anybody else's, whatever it does to them.
func TestI5_AnswersShareNothingThatCanBeChanged(t *testing.T) {
	t.Parallel()
	backend := struct{ store.Backend }{memstore.New(memstore.Config{})}
	for name, c := range map[string]output.Config{
		"from a view": {},
		"by trip":     {Store: store.New(backend, store.Config{})},
	} {
		p := serve(t, c, output.For(time.Minute), set("X-List", "a", "b"))
		p.get(t.Context())
		want := p.get(t.Context()).Header().Clone()
		for range 3 {
			h := p.get(t.Context()).Header()
			for field := range h {
				h[field] = append(h[field], "more")
				h.Add(field, "still more")
				h.Set(field, "another")
			}
		}
		if d := cmp.Diff(want, p.get(t.Context()).Header()); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}
