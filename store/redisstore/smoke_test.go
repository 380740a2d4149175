package redisstore_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// instance is one process of an application, as far as caching goes.
type instance struct {
	entries *store.Store
	page    http.Handler
}

func newInstance(t *testing.T, server *testredis.Server, ns string, price *atomic.Int64) instance {
	t.Helper()
	backend := redisstore.New(patientClient(t, server), patient(redisstore.Config{Namespace: ns}))
	entries := store.New(backend, store.Config{Namespace: ns})
	t.Cleanup(func() { _ = entries.Close() })
	cache, err := output.New(output.Config{Name: "shop", Store: entries})
	if err != nil {
		t.Fatal(err)
	}
	policy := output.For(time.Minute).Public().Tag("product:7")
	return instance{entries, cache.Handler(policy, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, price.Load())
	}))}
}

func (i instance) get(t *testing.T) (body, status string) {
	t.Helper()
	w := httptest.NewRecorder()
	i.page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/products/7", nil))
	return w.Body.String(), w.Header().Get("Cache-Status")
}

func (i instance) value(t *testing.T, price *atomic.Int64) int64 {
	t.Helper()
	v, err := store.GetOrSet(t.Context(), i.entries, store.Key("product", 7), store.For(time.Minute, "product:7"),
		func(context.Context) (int64, error) { return price.Load(), nil })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What one instance evicts no other one serves: neither the page nor the value (I-1).
func TestI1BetweenInstances(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	ns := namespace()
	var price atomic.Int64
	one, two := newInstance(t, server, ns, &price), newInstance(t, server, ns, &price)
	for i := range int64(20) {
		price.Store(i)
		if err := one.entries.Evict(t.Context(), "product:7"); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []instance{two, one, two} {
			if body, status := reader.get(t); body != fmt.Sprint(i) {
				t.Fatalf("the page says %s (%s), want %d", body, status, i)
			}
			if v := reader.value(t, &price); v != i {
				t.Fatalf("the value is %d, want %d", v, i)
			}
		}
	}
	price.Store(-1)
	eventually(t, func() error { // the page is kept off the client's path
		if body, status := two.get(t); body != "19" || !strings.Contains(status, "hit") || !strings.Contains(status, "redis") {
			return fmt.Errorf("%q is answered %q, want a hit of redis", body, status)
		}
		return nil
	})
	if v := two.value(t, &price); v != 19 {
		t.Errorf("the value is %d: it was not shared", v)
	}
	keys := server.Must("KEYS", "{"+ns+":0}:k:*")
	if !strings.Contains(keys, ":k:product:") {
		t.Errorf("keys %q, want one that names the entity", keys)
	}
}
