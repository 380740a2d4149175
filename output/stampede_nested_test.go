package output_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
)

// A handler that asks for the very page it makes does not wait for itself, directly or by way of another page.
func TestStampedeDoesNotWaitForItself(t *testing.T) {
	for name, next := range map[string]map[string]string{
		"directly":        {"/a": "/a"},
		"through another": {"/a": "/b", "/b": "/a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var depth atomic.Int64
				var p *page
				p = serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
					if depth.Add(1) < 5 {
						part := httptest.NewRecorder()
						p.ServeHTTP(part, httptest.NewRequestWithContext(r.Context(), http.MethodGet, next[r.URL.Path], http.NoBody))
						if part.Body.String() != "page" {
							t.Errorf("the part: %d %q", part.Code, part.Body)
						}
					}
					_, _ = io.WriteString(w, "page")
				})
				began := time.Now()
				w := httptest.NewRecorder()
				p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a", http.NoBody))
				wantAll(t, []*httptest.ResponseRecorder{w})
				if took := time.Since(began); took > 0 {
					t.Errorf("it waited for %v", took)
				}
			})
		})
	}
}

// Two pages of which each needs the other: two requests at once that fill them would wait for each other for ever if
// nobody's patience ended.
func TestStampedeOfPagesThatNeedEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *page
		var both sync.WaitGroup
		both.Add(2)
		var begun atomic.Int64
		other := map[string]string{"/a": "/b", "/b": "/a"}
		p = serve(t, output.Config{Patience: time.Second}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			if begun.Add(1) <= 2 {
				both.Done()
				both.Wait() // both flights are under way
				part := httptest.NewRecorder()
				p.ServeHTTP(part, httptest.NewRequestWithContext(r.Context(), http.MethodGet, other[r.URL.Path], http.NoBody))
			}
			_, _ = io.WriteString(w, "page")
		})
		began := time.Now()
		var all sync.WaitGroup
		for path := range other {
			all.Go(func() {
				w := httptest.NewRecorder()
				p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
				wantAll(t, []*httptest.ResponseRecorder{w})
			})
		}
		all.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// With a recoverer around the cache the leader's client gets its 500, those who wait get a page, and no place among
// MaxFills is lost.
func TestStampedeSurvivesARecoveredLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		p := serve(t, output.Config{MaxFills: 1}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(50 * time.Millisecond)
			if calls.Add(1) == 1 {
				panic("on purpose")
			}
			_, _ = io.WriteString(w, "page")
		})
		cached := p.Handler
		p.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}()
			cached.ServeHTTP(w, r)
		})
		leader := make(chan *httptest.ResponseRecorder)
		go func() { leader <- p.get(t.Context()) }()
		synctest.Wait()
		waiters := make(chan []*httptest.ResponseRecorder)
		go func() { waiters <- p.crowd(10, always) }()
		if w := <-leader; w.Code != http.StatusInternalServerError || w.Body.Len() > 0 {
			t.Errorf("the leader: %d %q", w.Code, w.Body)
		}
		wantAll(t, <-waiters)
		began := time.Now()
		wantAll(t, []*httptest.ResponseRecorder{p.get(t.Context())})
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("afterwards it took %v: a place was lost", took)
		}
		if n := p.cache.Stats().Filling; n != 0 {
			t.Errorf("%d fill", n)
		}
	})
}

// A part of a page is made in the place of the page that waits for it. If it needed one of its own, as many pages with
// parts as there are places would stand still until their patience ends.
func TestMaxFillsCountsAPageWithItsParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *page
		p = serve(t, output.Config{MaxFills: 2}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(50 * time.Millisecond)
			if r.URL.Path != "/part" {
				part := httptest.NewRecorder()
				p.ServeHTTP(part, httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/part", http.NoBody))
				wantAll(t, []*httptest.ResponseRecorder{part})
			}
			_, _ = io.WriteString(w, "page")
		})
		began := time.Now()
		var all sync.WaitGroup
		for _, path := range []string{"/a", "/b", "/c", "/d"} {
			all.Go(func() {
				w := httptest.NewRecorder()
				p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
				wantAll(t, []*httptest.ResponseRecorder{w})
			})
		}
		all.Wait()
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if top := p.top.Load(); top > 3 {
			t.Errorf("%d handlers at once: two pages and their one part", top)
		}
		p.get(t.Context()) // every place has been given back
		if n := p.cache.Stats().Filling; n != 0 {
			t.Errorf("%d fill", n)
		}
	})
}
