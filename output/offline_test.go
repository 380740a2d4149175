package output_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// cutOff is memory in front of a remote that cannot be reached when off is set: Peek finds nothing, PeekOffline does.
type cutOff struct {
	*memory

	off bool
}

type memory = memstore.Store

func (c *cutOff) Peek(key []byte) (store.Held, time.Duration, bool) {
	if c.off {
		return nil, 0, false
	}
	return c.memory.Peek(key)
}

func (c *cutOff) PeekOffline(key []byte) (store.Held, time.Duration, bool) {
	if !c.off {
		return nil, 0, false
	}
	return c.memory.Peek(key)
}

// While the backend is away a page that is the same for everybody comes from memory and says so; one user's own does not.
func TestOfflinePages(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policy output.Policy
		then   string
	}{
		"public":   {output.For(time.Hour).Public(), "1 shop; hit; detail=offline"},
		"nobody's": {output.For(time.Hour), "1 shop; hit; detail=offline"},
		"one's":    {output.For(time.Hour).PerUser(), "1 shop; hit; detail=memory"}, // by the look-up, which still works here
	} {
		b := &cutOff{memory: memstore.New(memstore.Config{})}
		ran := 0
		cache := newCache(t, output.Config{
			Name: "shop", Store: store.New(b, store.Config{}),
			User: func(r *http.Request) string { return r.Header.Get("X-User") },
		})
		h := cache.Handler(row.policy, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			ran++
			_, _ = fmt.Fprint(w, ran)
		}))
		ask := func() string {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			if name == "one's" {
				r.Header.Set("X-User", "alice")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			before, after, _ := strings.Cut(w.Header().Get("Cache-Status"), "; ttl=")
			if _, detail, ok := strings.Cut(after, ";"); ok {
				before += ";" + detail
			}
			return w.Body.String() + " " + before
		}
		ask()
		if got := ask(); got != "1 shop; hit; detail=memory" {
			t.Errorf("%s: %s", name, got)
		}
		b.off = true
		if got := ask(); got != row.then {
			t.Errorf("%s: %s, want %s", name, got, row.then)
		}
	}
}
