package output_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// In a bubble, which ends only when every goroutine in it has, a cache is used in every way and closed.
func TestI10_NothingRunsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, err := output.New(output.Config{MaxFills: 1, Patience: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		streaming := cache.Handler(output.For(time.Minute), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
		}))
		hanging := cache.Handler(output.For(time.Hour), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}))
		quick := cache.Handler(output.For(time.Second).Tag("a"), slow(0))
		var all sync.WaitGroup
		for range 3 {
			for _, h := range []http.Handler{streaming, hanging, quick} {
				all.Go(func() { ask(h, http.MethodGet) })
			}
		}
		time.Sleep(500 * time.Millisecond)
		if err := cache.Evict(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
}

// A cache that is closed stays so: it lets requests pass, and cannot be switched on again.
func TestI10_ClosedIsForGood(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), slow(0))
	ask(p, http.MethodGet)
	for range 2 {
		if err := p.cache.Close(); err != nil {
			t.Error(err)
		}
		p.cache.SetEnabled(true)
		w := ask(p, http.MethodGet)
		if said := w.Header().Get("Cache-Status"); said != "echocache; fwd=bypass; detail=off" || w.Body.String() != "page" {
			t.Errorf("%s %q", said, w.Body)
		}
	}
	if p.cache.Stats().Enabled {
		t.Error("it says that it is on")
	}
}

// closing counts how often it is closed.
type closing struct {
	store.Backend

	closed *int
}

func (b closing) Close() error {
	*b.closed++
	return b.Backend.Close()
}

// A store that was given to the cache is its giver's.
func TestI10_CloseLeavesAGivenStore(t *testing.T) {
	t.Parallel()
	closed := 0
	shared := store.New(closing{memstore.New(memstore.Config{}), &closed}, store.Config{})
	one := serve(t, output.Config{Name: "one", Store: shared}, output.For(time.Minute), slow(0))
	two := serve(t, output.Config{Name: "two", Store: shared}, output.For(time.Minute), slow(0))
	ask(two, http.MethodGet)
	if err := one.cache.Close(); err != nil || closed != 0 {
		t.Errorf("closed %d times: %v", closed, err)
	}
	if said := ask(two, http.MethodGet).Header().Get("Cache-Status"); said == "" || said[:11] != "two; hit; t" {
		t.Errorf("the other cache: %s", said)
	}
	if one.cache.Store() != shared {
		t.Error("another store")
	}
}
