package output_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// objects is how many objects the application of a history has. Few, so that requests meet.
const objects = 2

// event is something that happens in a history at a moment of synthetic time.
type event struct {
	At     time.Duration
	Object int
	Kind   string
}

// history is a random course of events. Between any two steps of a request there is a pause, drawn as well: the points
// are the cache's own (after the look-up, after the handler, after the seal, after the store) and those of the handler.
type history struct {
	Events []event
	Pauses []time.Duration
	Fails  []bool // whether a fill gives an answer that must not be stored
}

func drawHistory(rt *rapid.T) history {
	ms := func(label string, most int) *rapid.Generator[time.Duration] {
		return rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, label)) * time.Millisecond
		})
	}
	one := rapid.Custom(func(t *rapid.T) event {
		return event{
			At: ms("at", 60).Draw(t, "at"), Object: rapid.IntRange(0, objects-1).Draw(t, "object"),
			Kind: rapid.SampledFrom([]string{
				"get", "get", "get", "get", "get", "write", "write", "write path", "write route", "write all", "leave",
			}).Draw(t, "kind"),
		}
	})
	return history{
		Events: rapid.SliceOfN(one, 4, 40).Draw(rt, "events"),
		Pauses: rapid.SliceOfN(ms("pause", 12), 7, 7).Draw(rt, "pauses"),
		Fails:  rapid.SliceOfN(rapid.SampledFrom([]bool{false, false, false, false, true}), 5, 5).Draw(rt, "fails"),
	}
}

// world is an application with its cache while a history runs. The oracle is in the counters: a request that arrives
// when the eviction of version n is confirmed must not be shown an earlier one (I-1).
type world struct {
	history

	cache    *output.Cache
	handler  http.Handler
	versions [objects]atomic.Int64 // of the objects in the database
	evicted  [objects]atomic.Int64 // up to which the evictions are confirmed
	paused   atomic.Int64
	filled   atomic.Int64

	mu    sync.Mutex
	wrong []string
}

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *world) pause() {
	n := w.paused.Add(1)
	time.Sleep(w.Pauses[int(n)%len(w.Pauses)])
}

// run plays the history and returns what was wrong. It must be called in a bubble.
func (h history) run(backend store.Backend) []string {
	w := &world{history: h}
	cache, err := output.New(output.Config{Store: store.New(backend, store.Config{})})
	if err != nil {
		return []string{err.Error()}
	}
	cache.SetYield(func(string) { w.pause() })
	w.cache = cache
	mux := http.NewServeMux()
	policy := output.For(20 * time.Millisecond).Tag("object:{id}")
	mux.Handle("GET /objects/{id}", cache.Handler(policy, http.HandlerFunc(w.show)))
	w.handler = mux

	var all sync.WaitGroup
	for _, e := range h.Events {
		all.Go(func() {
			time.Sleep(e.At)
			w.happen(e)
		})
	}
	all.Wait()
	if err := cache.Close(); err != nil {
		w.fault("close: %v", err)
	}
	if err := backend.Close(); err != nil {
		w.fault("close: %v", err)
	}
	return w.wrong
}

// show is the handler: it reads the database at its beginning, and takes its time.
func (w *world) show(rw http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	version := w.versions[id].Load()
	w.pause()
	if n := w.filled.Add(1); w.Fails[int(n)%len(w.Fails)] {
		rw.Header().Set("Cache-Control", "no-store")
	}
	fmt.Fprint(rw, version)
}

func (w *world) happen(e event) {
	ctx := context.Background()
	path := fmt.Sprintf("/objects/%d", e.Object)
	switch e.Kind {
	case "get":
		w.get(ctx, e.Object, path)
	case "leave": // a client that goes away while it is served
		ctx, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
		defer cancel()
		w.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody))
	case "write":
		w.write(e.Object, func() error { return w.cache.Evict(ctx, "object:"+strconv.Itoa(e.Object)) })
	case "write path":
		w.write(e.Object, func() error { return w.cache.EvictPath(ctx, path) })
	case "write route":
		w.write(e.Object, func() error { return w.cache.EvictRoute(ctx, "GET /objects/{id}") })
	case "write all":
		w.write(e.Object, func() error { return w.cache.EvictAll(ctx) })
	}
}

func (w *world) get(ctx context.Context, object int, path string) {
	least := w.evicted[object].Load() // when the request arrives
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody))
	shown, err := strconv.ParseInt(rec.Body.String(), 10, 64)
	switch said := rec.Header().Get("Cache-Status"); {
	case rec.Code != http.StatusOK || err != nil:
		w.fault("%s: %d %q (%s)", path, rec.Code, rec.Body, said)
	case shown < least:
		w.fault("%s: shown version %d after the eviction of %d (%s)", path, shown, least, said)
	}
}

func (w *world) write(object int, evict func() error) {
	version := w.versions[object].Add(1)
	w.pause()
	if err := evict(); err != nil {
		w.fault("evict: %v", err)
		return
	}
	for {
		known := w.evicted[object].Load()
		if known >= version || w.evicted[object].CompareAndSwap(known, version) {
			return
		}
	}
}

// play runs a history in a bubble of its own: a goroutine that is left behind fails it.
func play(t *testing.T, h history, open func() store.Backend) (wrong []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { wrong = h.run(open()) })
	return wrong
}

// backends under which every history has to hold: with and without the look-up that copies nothing, and one that keeps
// nothing at all, under which waiters live on the answers of flights alone.
var backends = map[string]func() store.Backend{
	"memory":         func() store.Backend { return memstore.New(memstore.Config{}) },
	"memory by trip": func() store.Backend { return struct{ store.Backend }{memstore.New(memstore.Config{})} },
	"refuses":        func() store.Backend { return refusing{memstore.New(memstore.Config{})} },
	"small":          func() store.Backend { return memstore.New(memstore.Config{MaxBytes: 64 << 10}) },
}

// rounds is how often rapid's hundred histories are played. A flight that is sealed only after its page was stored shows
// in one of about a thousand.
const rounds = 12

func TestI1_EvictionBeatsEveryEarlierFill(t *testing.T) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) {
			for range rounds {
				rapid.Check(t, func(rt *rapid.T) {
					for _, wrong := range play(t, drawHistory(rt), open) {
						rt.Error(wrong)
					}
				})
			}
		})
	}
}

// TestI1_MutantsAreCaught breaks the backend in every way that the promise rests on. Each must be found within as many
// histories as the test above plays.
func TestI1_MutantsAreCaught(t *testing.T) {
	memory := func() store.Backend { return memstore.New(memstore.Config{}) }
	for name, open := range map[string]func() store.Backend{
		"the fence is not judged":          func() store.Backend { return lateFence{memory()} },
		"the fence is newer than the fill": func() store.Backend { return &newestFence{Backend: memory()} },
		"tags are forgotten":               func() store.Backend { return tagless{memory()} },
		"an eviction is lost":              func() store.Backend { return &losing{Backend: memory()} },
		"an eviction is late":              func() store.Backend { return lateEvict{memory()} },
		"a fenced fill counts as stored":   func() store.Backend { return praising{memory()} },
		"hits are not judged":              func() store.Backend { return &unjudged{Backend: memory()} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range 400 {
				h := rapid.Custom(drawHistory).Example(seed)
				if len(play(t, h, open)) > 0 {
					return
				}
			}
			t.Error("no history finds it")
		})
	}
}
