package output_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
)

// What a handler says of its page is what becomes of it.
func TestCurrent(t *testing.T) {
	for name, row := range map[string]struct {
		say func(*output.Entry)
		ttl string
	}{
		"nothing":        {func(*output.Entry) {}, "60"},
		"a shorter life": {func(e *output.Entry) { e.TTL(5 * time.Second) }, "5"},
		"a longer one":   {func(e *output.Entry) { e.TTL(time.Hour) }, "3600"},
		"an end":         {func(e *output.Entry) { e.Until(time.Now().Add(90 * time.Second)) }, "90"},
		"the last word":  {func(e *output.Entry) { e.TTL(time.Hour); e.Until(time.Now().Add(time.Minute)); e.TTL(7 * time.Second) }, "7"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), func(w http.ResponseWriter, r *http.Request) {
					row.say(output.Current(r.Context()))
					_, _ = io.WriteString(w, "page")
				})
				if got := p.get(t.Context()).Header().Get("Cache-Status"); got != "echocache; fwd=uri-miss; stored; ttl="+row.ttl {
					t.Error(got)
				}
			})
		})
	}
}

// On a route that is not cached, and on a request that bypasses, everything may be said and nothing happens.
func TestCurrentIsNilSafe(t *testing.T) {
	t.Parallel()
	say := func(_ http.ResponseWriter, r *http.Request) {
		e := output.Current(r.Context())
		if e != nil {
			t.Error("there is a page")
		}
		e.Tag("*")
		e.TTL(-1)
		e.Until(time.Time{})
		e.NoStore()
	}
	say(nil, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	p := serve(t, output.Config{}, output.For(time.Minute), say)
	ask(p, http.MethodPost)
	ask(p, http.MethodGet, "Range", "bytes=0-1")
}

// Tags that the handler adds evict the page, and one said too late is ignored.
func TestCurrentTags(t *testing.T) {
	t.Parallel()
	var entry *output.Entry
	p := serve(t, output.Config{}, output.For(time.Minute).Tag("policy"), func(w http.ResponseWriter, r *http.Request) {
		entry = output.Current(r.Context())
		entry.Tag("handler", "policy", "handler")
		_, _ = io.WriteString(w, "page")
	})
	for tag, gone := range map[string]bool{"handler": true, "policy": true, "late": false, "other": false} {
		ask(p, http.MethodGet)
		entry.Tag("late")
		if err := p.cache.Evict(t.Context(), tag); err != nil {
			t.Fatal(err)
		}
		said := ask(p, http.MethodGet).Header().Get("Cache-Status")
		if strings.Contains(said, "; hit;") == gone {
			t.Errorf("after the eviction of %s: %s", tag, said)
		}
	}
}
