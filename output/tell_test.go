package output_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

// wrapped is a writer that somebody put around another.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// What Tell says of a page is shortened on each answer to what the page has left, and what outer middleware had said, even
// the same, is replaced.
func TestTell(t *testing.T) {
	for name, row := range map[string]struct {
		tell   func(http.ResponseWriter) bool
		before string
		want   []string // after 0, 20 and 40 of 60 seconds
	}{
		"nothing": {func(http.ResponseWriter) bool { return true }, "", []string{"no-cache", "no-cache", "no-cache"}},
		"an hour": {func(w http.ResponseWriter) bool {
			return output.Tell(w, response.Public(time.Hour))
		}, "", []string{"public, max-age=60", "public, max-age=40", "public, max-age=20"}},
		"half a minute": {func(w http.ResponseWriter) bool {
			return output.Tell(w, response.Public(30*time.Second))
		}, "", []string{"public, max-age=30", "public, max-age=30", "public, max-age=20"}},
		"through another's writer": {func(w http.ResponseWriter) bool {
			return output.Tell(wrapped{wrapped{w}}, response.Public(time.Hour))
		}, "max-age=1", []string{"public, max-age=60", "public, max-age=40", "public, max-age=20"}},
		"the same as outside": {func(w http.ResponseWriter) bool {
			return output.Tell(w, response.Public(time.Hour))
		}, "public, max-age=3600", []string{"public, max-age=60", "public, max-age=40", "public, max-age=20"}},
		"taken back": {func(w http.ResponseWriter) bool {
			is := output.Tell(w, response.Public(time.Hour))
			w.Header().Set("Cache-Control", "max-age=1000")
			return is
		}, "", []string{"max-age=1000", "max-age=1000", "max-age=1000"}},
		"twice": {func(w http.ResponseWriter) bool {
			return output.Tell(w, response.Public(time.Hour)) && output.Tell(w, response.Public(time.Minute))
		}, "", []string{"public, max-age=60", "public, max-age=40", "public, max-age=20"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), func(w http.ResponseWriter, _ *http.Request) {
					if !row.tell(w) {
						t.Error("no page is being filled")
					}
					_, _ = io.WriteString(w, "page")
				})
				outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if row.before != "" {
						w.Header().Set("Cache-Control", row.before)
					}
					p.ServeHTTP(w, r)
				})
				for i, want := range row.want {
					h := ask(outer, http.MethodGet).Header()
					if d := cmp.Diff([]string{want}, h["Cache-Control"]); d != "" {
						t.Errorf("answer %d: %s", i, d)
					}
					time.Sleep(20 * time.Second)
				}
				if n := p.runs.Load(); n != 1 {
					t.Errorf("%d runs", n)
				}
			})
		})
	}
}

// Where no page is being filled, nothing is set: at a plain writer, on a bypass, and once an inner policy has taken over.
func TestTellWhereNoPageIs(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if output.Tell(w, response.NoStore()) || output.Tell(wrapped{w}, response.NoStore()) || len(w.Header()) > 0 {
		t.Errorf("%s", w.Header())
	}
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
		if output.Tell(w, response.Public(time.Hour)) {
			t.Error("on a bypass")
		}
	})
	if got := ask(p, http.MethodPost).Header().Get("Cache-Control"); got != "" {
		t.Error(got)
	}
	cache := newCache(t, output.Config{})
	inner := cache.Handler(output.For(time.Minute).StatusFor(time.Minute, 404), says(404, "a", nil))
	outer := cache.Handler(output.For(time.Hour), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		if output.Tell(w, response.Public(time.Hour)) {
			t.Error("in a fill that has left")
		}
	}))
	ask(outer, http.MethodGet)
}
