package output_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Hits are counted in stripes. None is lost between them, however many count at once.
func TestStatsLoseNothing(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Hour), slow(0))
	ask(p, http.MethodGet)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 250 {
				ask(p, http.MethodGet)
				ask(p, http.MethodPost)
			}
		})
	}
	all.Wait()
	if s := p.cache.Stats(); s.Hits != 2000 || s.Bypassed != 2000 || s.Reasons["method"] != 2000 || s.Misses != 1 || s.Stored != 1 {
		t.Errorf("%+v", s)
	}
}

// What is under way is counted while it is.
func TestStatsOfTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute), slow(time.Second))
		var all sync.WaitGroup
		all.Go(func() { p.crowd(5, always) })
		synctest.Wait()
		if s := p.cache.Stats(); s.Filling != 1 || s.Waiting != 4 {
			t.Errorf("%d fill, %d wait", s.Filling, s.Waiting)
		}
		all.Wait()
		if s := p.cache.Stats(); s.Filling != 0 || s.Waiting != 0 || s.Misses != 1 || s.Collapsed != 4 {
			t.Errorf("afterwards %+v", s)
		}
	})
}

// Evictions are counted, those of nothing are not, and those that are not confirmed are told apart.
func TestStatsOfEvictions(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		backend  store.Backend
		unproven uint64
	}{
		"confirmed": {memstore.New(memstore.Config{}), 0},
		"failed":    {failing{memstore.New(memstore.Config{})}, 3},
	} {
		cache := newCache(t, output.Config{Store: store.New(row.backend, store.Config{})})
		for _, err := range []error{
			cache.Evict(t.Context(), "a", "b"), cache.EvictPath(t.Context(), "/"), cache.EvictAll(t.Context()),
		} {
			if (err != nil) != (row.unproven > 0) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := cache.Evict(t.Context()); err != nil {
			t.Errorf("%s: of nothing: %v", name, err)
		}
		if s := cache.Stats(); s.Evictions != 3 || s.Unproven != row.unproven {
			t.Errorf("%s: %d, %d unproven", name, s.Evictions, s.Unproven)
		}
	}
}

// What the backend cannot tell is left out, and every number has its name in JSON.
func TestStatsInJSON(t *testing.T) {
	t.Parallel()
	silent := store.New(struct{ store.Backend }{memstore.New(memstore.Config{})}, store.Config{})
	text, err := json.Marshal(newCache(t, output.Config{Name: "shop", Version: "1", Store: silent}).Stats())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"shop","version":"1","enabled":true,"hits":0,"misses":0,"stale":0,"collapsed":0,"bypassed":0,"stored":0,` +
		`"refreshes":0,"unrefreshed":0,"damaged":0,` +
		`"evictions":0,"unproven":0,"filling":0,"waiting":0,"reasons":{},` +
		`"values":{"hits":0,"misses":0,"collapsed":0,"stale":0,"loads":0,"failed":0,"stored":0,"fenced":0,"damaged":0,"loading":0}}`
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if newCache(t, output.Config{}).Stats().Store == nil {
		t.Error("a backend that can tell is not asked")
	}
}

// Every reason has a word of its own, fit for a structured field and for a metric.
func TestReasonWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, reason := range output.Reasons {
		if seen[reason] || reason == "" || strings.Trim(reason, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%q", reason)
		}
		seen[reason] = true
	}
	if len(seen) < 40 {
		t.Errorf("only %d reasons", len(seen))
	}
}

// hearing is an observer that notes the methods that it does not have from NopObserver.
type hearing struct {
	output.NopObserver

	mu    sync.Mutex
	heard []string
}

func (h *hearing) note(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, s)
}

func (h *hearing) Collapsed(e output.Event) {
	h.note(fmt.Sprint("collapsed ", e.Status, e.TTL, e.Bytes))
}
func (h *hearing) Damaged(e output.Event) { h.note(fmt.Sprint("damaged ", e.Cache, e.Err)) }
func (h *hearing) Filled(e output.Event)  { h.note(fmt.Sprint("filled ", e.Verdict, e.Reason, e.Took)) }
func (h *hearing) Evicted(e output.Event) { h.note(fmt.Sprint("evicted ", e.Tags, e.Err != nil)) }

// An observer hears of crowds, damage and trouble, too, and may leave out what it does not want to hear.
func TestObserverHearsOfTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hearing{}
		bad := tampering{memstore.New(memstore.Config{}), func(b []byte) []byte { return b[:len(b)-1] }}
		config := output.Config{Name: "shop", Observer: h, Store: store.New(bad, store.Config{})}
		p := serve(t, config, output.For(time.Minute).Jitter(0).Tag("a"), slow(time.Second))
		p.crowd(2, always)
		ask(p, http.MethodGet)
		ask(p, http.MethodPut)
		slices.Sort(h.heard[:2])
		want := []string{"collapsed 200 1m0s 4", "filled stored1s", "damaged shop<nil>", "filled unknown1s"}
		if d := cmp.Diff(want, h.heard); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
	h := &hearing{}
	cache := newCache(t, output.Config{Observer: h, Store: store.New(failing{memstore.New(memstore.Config{})}, store.Config{})})
	if err := cache.Evict(t.Context(), "a", "b"); err == nil || len(h.heard) != 1 || h.heard[0] != "evicted [a b] true" {
		t.Errorf("%v, %q", err, h.heard)
	}
}

// An observer of nothing may be asked anything.
func TestNopObserver(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{Observer: struct{ output.Observer }{output.NopObserver{}}}, output.For(time.Minute), slow(0))
	for _, method := range []string{http.MethodGet, http.MethodGet, http.MethodPost} {
		if w := ask(p, method); w.Code != http.StatusOK {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/other", http.NoBody))
	if err := p.cache.EvictAll(t.Context()); err != nil {
		t.Error(err)
	}
}
