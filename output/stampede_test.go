package output_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// page is one cached page in a bubble, and how often its handler ran, and how often at once.
type page struct {
	http.Handler

	cache          *output.Cache
	runs, now, top atomic.Int64
}

// serve makes a cached page. It must be called in a bubble, and what it opens is closed when the test ends there.
func serve(t *testing.T, c output.Config, p output.Policy, h http.HandlerFunc) *page {
	t.Helper()
	cache, err := output.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cache.Close(), cache.Store().Close()); err != nil {
			t.Error(err)
		}
	})
	made := &page{cache: cache}
	made.Handler = cache.Handler(p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made.runs.Add(1)
		n := made.now.Add(1)
		defer made.now.Add(-1)
		for top := made.top.Load(); n > top && !made.top.CompareAndSwap(top, n); top = made.top.Load() {
		}
		h(w, r)
	}))
	return made
}

func (p *page) get(ctx context.Context) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/page", http.NoBody))
	return w
}

// crowd sends n requests at once and returns their answers.
func (p *page) crowd(n int, ctx func(i int) context.Context) []*httptest.ResponseRecorder {
	answers := make([]*httptest.ResponseRecorder, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = p.get(ctx(i)) })
	}
	all.Wait()
	return answers
}

func always(int) context.Context { return context.Background() }

func slow(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(d)
		_, _ = io.WriteString(w, "page")
	}
}

func wantAll(t *testing.T, answers []*httptest.ResponseRecorder) {
	t.Helper()
	for i, a := range answers {
		if a.Code != http.StatusOK || a.Body.String() != "page" {
			t.Errorf("request %d: %d %q %s", i, a.Code, a.Body, a.Header().Get("Cache-Status"))
			return
		}
	}
}

func TestStampedeRunsTheHandlerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute), slow(50*time.Millisecond))
		began := time.Now()
		wantAll(t, p.crowd(2000, always))
		if n := p.runs.Load(); n != 1 {
			t.Errorf("%d handler runs", n)
		}
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if s := p.cache.Stats(); s.Misses != 1 || s.Collapsed != 1999 {
			t.Errorf("%d misses, %d collapsed", s.Misses, s.Collapsed)
		}
	})
}

// The first client goes away. Its handler finishes for the others.
func TestStampedeOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(50 * time.Millisecond)
			if r.Context().Err() != nil {
				t.Errorf("the handler was cancelled: %v", r.Context().Err())
			}
			_, _ = io.WriteString(w, "page")
		})
		leader, leave := context.WithCancel(t.Context())
		go p.get(leader)
		synctest.Wait()
		time.AfterFunc(10*time.Millisecond, leave)
		wantAll(t, p.crowd(100, always))
		if n := p.runs.Load(); n != 1 {
			t.Errorf("%d handler runs", n)
		}
	})
}

// stuck is a client that takes nothing.
type stuck struct {
	httptest.ResponseRecorder

	block chan struct{}
}

func (s *stuck) Write([]byte) (int, error) {
	<-s.block
	return 0, io.ErrClosedPipe
}

func TestStampedeIsNotHeldByAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute), slow(50*time.Millisecond))
		client := &stuck{block: make(chan struct{})}
		go p.ServeHTTP(client, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
		synctest.Wait()
		began := time.Now()
		wantAll(t, p.crowd(100, always))
		if took := time.Since(began); took != 50*time.Millisecond || p.runs.Load() != 1 {
			t.Errorf("it took %v and %d runs", took, p.runs.Load())
		}
		close(client.block)
	})
}

// A handler that does not return an answer leaves nobody behind and wedges nothing.
func TestStampedeSurvivesItsLeader(t *testing.T) {
	for name, end := range map[string]func(http.ResponseWriter){
		"panic":   func(http.ResponseWriter) { panic("on purpose") },
		"abort":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"goexit":  func(http.ResponseWriter) { runtime.Goexit() },
		"nothing": func(http.ResponseWriter) {},
		"error":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				broken.Store(true)
				p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(50 * time.Millisecond)
					if broken.Swap(false) {
						end(w)
						return
					}
					_, _ = io.WriteString(w, "page")
				})
				go func() {
					defer func() { _ = recover() }()
					p.get(t.Context())
				}()
				synctest.Wait()
				began := time.Now()
				wantAll(t, p.crowd(10, always))
				if took := time.Since(began); took > 150*time.Millisecond {
					t.Errorf("those who waited were left behind for %v", took)
				}
				time.Sleep(3 * time.Second) // what is not worth waiting for is remembered for two
				before := p.runs.Load()
				wantAll(t, p.crowd(10, always))
				wantAll(t, []*httptest.ResponseRecorder{p.get(t.Context())})
				if n := p.runs.Load() - before; n > 1 {
					t.Errorf("%d runs afterwards: the key is wedged", n)
				}
			})
		})
	}
}

// A handler that hangs holds its waiters until the deadline and its key no longer.
func TestStampedeLeavesAHungHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var first atomic.Bool
		p := serve(t, output.Config{Patience: time.Second}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			if !first.Swap(true) {
				<-release // and does not look at its context
			}
			_, _ = io.WriteString(w, "page")
		})
		go p.get(t.Context())
		synctest.Wait()
		began := time.Now()
		wantAll(t, p.crowd(10, always))
		if took := time.Since(began); took != time.Second {
			t.Errorf("the waiters left after %v", took)
		}
		wantAll(t, []*httptest.ResponseRecorder{p.get(t.Context())})
		close(release)
	})
}

// A fill has until 30 s, or until the request's own deadline if that is sooner; a cancellation does not reach it.
func TestFillDeadline(t *testing.T) {
	for name, row := range map[string]struct {
		own, want time.Duration
	}{
		"the default":      {0, output.DefaultPatience},
		"the request's":    {2 * time.Second, 2 * time.Second},
		"a later one's":    {time.Hour, output.DefaultPatience},
		"what is too late": {time.Millisecond, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
					began := time.Now()
					if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) != row.want {
						t.Errorf("deadline in %v (%v)", time.Until(deadline), ok)
					}
					<-r.Context().Done()
					if took := time.Since(began); took != row.want || !errors.Is(r.Context().Err(), context.DeadlineExceeded) {
						t.Errorf("ended after %v: %v", took, r.Context().Err())
					}
					_, _ = io.WriteString(w, "page")
				})
				ctx := t.Context()
				if row.own > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, row.own)
					defer cancel()
				}
				if said := p.get(ctx).Header().Get("Cache-Status"); said != "echocache; fwd=uri-miss; detail=deadline" {
					t.Error(said)
				}
			})
		})
	}
}

// A backend that keeps nothing: at most one handler at a time, nobody waits for more than two, and nobody is shown an
// answer of a fill that began before his request arrived.
func TestStampedeWithoutABackend(t *testing.T) {
	for name, open := range map[string]func(store.Backend) store.Backend{
		"refuses": func(b store.Backend) store.Backend { return refusing{b} },
		"fails":   func(b store.Backend) store.Backend { return failing{b} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := open(memstore.New(memstore.Config{}))
				c := output.Config{Store: store.New(backend, store.Config{})}
				var p *page
				p = serve(t, c, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
					n := p.runs.Load()
					time.Sleep(50 * time.Millisecond)
					fmt.Fprint(w, n)
				})
				var all sync.WaitGroup
				for i := range 100 {
					all.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						arrived, done := p.runs.Load(), time.Now().Add(100*time.Millisecond)
						var shown int64
						if _, err := fmt.Sscan(p.get(context.Background()).Body.String(), &shown); err != nil || shown <= arrived {
							t.Errorf("request %d, when %d had begun, was shown %d (%v)", i, arrived, shown, err)
						}
						if time.Now().After(done) {
							t.Errorf("request %d waited for more than two", i)
						}
					})
				}
				all.Wait()
				if p.top.Load() != 1 {
					t.Errorf("%d handlers at once", p.top.Load())
				}
			})
		})
	}
}

// An answer that must not be kept is shared with nobody, and nobody waits for the next one, for two seconds.
func TestUncacheableReleasesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "id=1")
			slow(50*time.Millisecond)(w, nil)
		})
		began := time.Now()
		wantAll(t, p.crowd(20, always))
		if took := time.Since(began); took != 100*time.Millisecond || p.runs.Load() != 20 {
			t.Errorf("%v, %d runs", took, p.runs.Load())
		}
		began = time.Now()
		wantAll(t, p.crowd(20, always))
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("remembered: %v", took)
		}
		time.Sleep(2 * time.Second)
		began = time.Now()
		wantAll(t, p.crowd(20, always))
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("forgotten: %v", took)
		}
	})
}

func TestMaxFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := serve(t, output.Config{MaxFills: 3, Patience: time.Second}, output.For(time.Minute).VaryHeader("N"),
			func(w http.ResponseWriter, _ *http.Request) {
				<-release
				_, _ = io.WriteString(w, "page")
			})
		var all sync.WaitGroup
		var refused atomic.Int64
		for i := range 10 {
			all.Go(func() {
				r := httptest.NewRequest(http.MethodGet, "/page", http.NoBody)
				r.Header.Set("N", fmt.Sprint(i))
				w := httptest.NewRecorder()
				p.ServeHTTP(w, r)
				if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") != "" {
					refused.Add(1)
				}
			})
		}
		time.Sleep(2 * time.Second)
		close(release)
		all.Wait()
		if p.top.Load() != 3 || refused.Load() != 7 {
			t.Errorf("%d at once, %d refused", p.top.Load(), refused.Load())
		}
	})
}
