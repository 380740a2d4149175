package output_test

import (
	"context"
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

// failsToEvict is a backend whose evictions end with an error.
type failsToEvict struct {
	store.Backend

	err error
}

func (f failsToEvict) Evict(context.Context, ...string) error { return f.err }

func TestEvictHandler(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{Name: "shop"})
	page := cache.Handler(output.For(time.Hour).Tag("a", "b"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("page"))
	}))
	status := func() string {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		said, _, _ := strings.Cut(w.Header().Get("Cache-Status"), "; ttl")
		return said
	}
	h := cache.EvictHandler(func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer secret" })
	const hit, miss = "shop; hit", "shop; fwd=uri-miss; stored"
	for _, row := range []struct {
		method, auth, kind, body string
		code                     int
		then                     string
	}{
		{"POST", "Bearer secret", "application/json", `{"tags":["b"]}`, http.StatusNoContent, miss},
		{"POST", "Bearer secret", "application/json; charset=utf-8", `{"tags":["x","a"]}`, http.StatusNoContent, miss},
		{"POST", "Bearer secret", "application/json", `{"tags":["x"]}`, http.StatusNoContent, hit},
		{"GET", "Bearer secret", "application/json", `{"tags":["a"]}`, http.StatusMethodNotAllowed, hit},
		{"POST", "Bearer other", "application/json", `{"tags":["a"]}`, http.StatusForbidden, hit},
		{"POST", "", "application/json", `{"tags":["a"]}`, http.StatusForbidden, hit},
		{"POST", "Bearer secret", "text/plain", `{"tags":["a"]}`, http.StatusBadRequest, hit},
		{"POST", "Bearer secret", "application/json", `["a"]`, http.StatusBadRequest, hit},
		{"POST", "Bearer secret", "application/json", `{"tags":[]}`, http.StatusBadRequest, hit},
		{"POST", "Bearer secret", "application/json", `{"tags":["a"],"more":1}`, http.StatusBadRequest, hit},
		{"POST", "Bearer secret", "application/json", `{"tags":["a"]}{"tags":["a"]}`, http.StatusBadRequest, hit},
		{"POST", "Bearer secret", "application/json", `{"tags":["a","*shop"]}`, http.StatusBadRequest, hit},
		{"POST", "Bearer secret", "application/json", `{"tags":["a","` + strings.Repeat("x", 70_000) + `"]}`, http.StatusBadRequest, hit},
	} {
		status() // it is stored
		r := httptest.NewRequest(row.method, "/evict", strings.NewReader(row.body))
		r.Header.Set("Content-Type", row.kind)
		r.Header.Set("Authorization", row.auth)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := status(); w.Code != row.code || got != row.then || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%.60v: %d %s, then %q", row, w.Code, w.Body, got)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("nobody has to be authorised")
		}
	}()
	cache.EvictHandler(nil)
}

func TestEvictHandlerSaysWhatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	for code, err := range map[int]error{
		http.StatusAccepted:           fmt.Errorf("queued: %w", store.ErrEvictionPending),
		http.StatusServiceUnavailable: context.DeadlineExceeded,
	} {
		b := failsToEvict{memstore.New(memstore.Config{}), err}
		cache := newCache(t, output.Config{Store: store.New(b, store.Config{})})
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"tags":["a"]}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		cache.EvictHandler(func(*http.Request) bool { return true }).ServeHTTP(w, r)
		if w.Code != code {
			t.Errorf("%v: %d", err, w.Code)
		}
	}
}

// A worker evicts on a message, without HTTP: it needs the store's backend and its namespace, and nothing of the pages.
func ExampleCache_Evict_worker() {
	messages := make(chan []string, 1) // from a queue
	messages <- []string{"product:7", "catalog"}
	close(messages)

	cache, err := output.New(output.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	for tags := range messages {
		err := cache.Evict(context.Background(), tags...)
		fmt.Println(tags, err) // acknowledge the message if err is nil or store.ErrEvictionPending
	}
	// Output: [product:7 catalog] <nil>
}
