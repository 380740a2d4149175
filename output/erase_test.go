package output_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Erase frees pages and values of a tag at once, and leaves the others; Evict alone leaves their bytes.
func TestEraseFreesWhatItEvicts(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{})
	h := cache.Handler(output.For(time.Hour).Tag("user:{id}"), status(http.StatusOK))
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", h)
	for _, path := range []string{"/users/1", "/users/2"} {
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, http.NoBody))
	}
	if err := store.Set(t.Context(), cache.Store(), "profile:1", store.For(time.Hour, "user:1"), "alice"); err != nil {
		t.Fatal(err)
	}
	entries := func() int64 { return cache.Stats().Store.Entries }
	if n := entries(); n != 3 {
		t.Fatalf("%d entries", n)
	}
	if err := cache.Evict(t.Context(), "user:1"); err != nil || entries() != 3 {
		t.Errorf("%v, %d entries after Evict", err, entries())
	}
	if err := cache.Erase(t.Context(), "user:1"); err != nil || entries() != 1 {
		t.Errorf("%v, %d entries after Erase", err, entries())
	}
}

// A backend that cannot free what it has evicted says so; the eviction is carried out.
func TestEraseSaysWhatItCannot(t *testing.T) {
	t.Parallel()
	silent := struct{ store.Backend }{memstore.New(memstore.Config{})}
	cache := newCache(t, output.Config{Store: store.New(silent, store.Config{})})
	h := cache.Handler(output.For(time.Hour).Tag("tag"), status(http.StatusOK))
	ask := func() string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		return w.Header().Get("Cache-Status")
	}
	ask()
	if err := cache.Erase(t.Context(), "tag"); err == nil || !strings.Contains(err.Error(), "no Sweeper") {
		t.Error(err)
	}
	if said := ask(); !strings.Contains(said, "stored") {
		t.Error(said)
	}
	if err := cache.Erase(t.Context(), "*reserved"); err == nil {
		t.Error("a reserved tag was taken")
	}
}
