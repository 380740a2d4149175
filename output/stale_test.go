package output_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// forAMinute is a page's policy that is fresh for 10 s and stale for a minute.
func forAMinute() output.Policy {
	return output.For(10 * time.Second).Jitter(0).StaleWhileRevalidate(time.Minute)
}

// numbered is a handler that shows which of its runs it was, and takes d.
func numbered(d time.Duration) http.HandlerFunc {
	var runs atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		n := runs.Add(1)
		time.Sleep(d)
		_, _ = fmt.Fprint(w, "run ", n)
	}
}

// told asks for the page and returns its status, body, and what the cache says.
func (p *page) told(t *testing.T) string {
	t.Helper()
	w := p.get(t.Context())
	return fmt.Sprintf("%d %s, %s", w.Code, w.Body, strings.TrimPrefix(w.Header().Get("Cache-Status"), "echocache; "))
}

func (p *page) wantTold(t *testing.T, wanted ...string) {
	t.Helper()
	for i, want := range wanted {
		if got := p.told(t); got != want {
			t.Errorf("answer %d:\n got %q\nwant %q", i+1, got, want)
		}
		synctest.Wait()
	}
}

func TestStalePlainHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, forAMinute(), numbered(time.Second))
		p.wantTold(t, "200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(15 * time.Second)
		for _, w := range p.crowd(20, always) {
			if w.Body.String() != "run 1" || w.Header().Get("Age") != "15" {
				t.Errorf("%s %v", w.Body, w.Header())
			}
		}
		time.Sleep(1500 * time.Millisecond)
		p.wantTold(t, "200 run 2, hit; ttl=9; detail=memory")
		if n, top := p.runs.Load(), p.top.Load(); n != 2 || top != 1 {
			t.Errorf("%d runs, %d at once", n, top)
		}
	})
}

// A user whom middleware has put into the request's context is the same for the refresh.
func TestI4_StalePlainHandlerKeepsTheUser(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		c := output.Config{User: func(r *http.Request) string { user, _ := r.Context().Value(key{}).(string); return user }}
		p := serve(t, c, forAMinute().PerUser(), numbered(0))
		ask := func(user string) string {
			w := p.get(context.WithValue(t.Context(), key{}, user))
			synctest.Wait()
			return w.Body.String()
		}
		for _, want := range []string{"alice run 1", "bob run 2", "alice run 1", "bob run 2"} {
			user, run, _ := strings.Cut(want, " ")
			if got := ask(user); got != run {
				t.Errorf("%s got %q, want %q", user, got, run)
			}
		}
		time.Sleep(11 * time.Second)
		for _, want := range []string{"bob run 2", "bob run 3", "alice run 1", "alice run 4", "bob run 3"} {
			user, run, _ := strings.Cut(want, " ")
			if got := ask(user); got != run {
				t.Errorf("%s got %q, want %q", user, got, run)
			}
		}
	})
}

// However many pages become stale together, so many are made anew at once, and the rest when they are asked for again.
func TestStaleRefreshesAreBounded(t *testing.T) {
	const pages, bound = 200, 64
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, forAMinute(), numbered(time.Second))
		all := func() {
			var group sync.WaitGroup
			for i := range pages {
				group.Go(func() {
					w := httptest.NewRecorder()
					p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/page?n=%d", i), http.NoBody))
					if w.Code != http.StatusOK {
						t.Error(w.Code)
					}
				})
			}
			group.Wait()
		}
		all()
		p.top.Store(0)
		time.Sleep(11 * time.Second)
		for range 10 {
			all()
			time.Sleep(2 * time.Second)
			if top := p.top.Load(); top > bound {
				t.Fatalf("%d handlers at once", top)
			}
		}
		if n := p.cache.Stats().Refreshes; n < pages {
			t.Errorf("%d refreshes for %d pages", n, pages)
		}
	})
}

// Of several processes that have the same stale page one makes it anew.
func TestStaleRefreshCollapsesTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		h := numbered(time.Second)
		all := make([]*page, 4)
		for i := range all {
			all[i] = serve(t, output.Config{Store: store.New(b, store.Config{})}, forAMinute().CollapseFleet(), h)
		}
		all[0].wantTold(t, "200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(11 * time.Second)
		for range 10 {
			for _, p := range all {
				p.wantTold(t, "200 run 1, hit; ttl=-1; detail=store")
			}
		}
		time.Sleep(1500 * time.Millisecond)
		for _, p := range all {
			p.wantTold(t, "200 run 2, hit; ttl=9; detail=store")
			if s := p.cache.Stats(); s.Unrefreshed != 0 {
				t.Errorf("%+v", s)
			}
		}
		runs := int64(0)
		for _, p := range all {
			runs += p.runs.Load()
		}
		if b.Held() != 0 || runs != 2 {
			t.Errorf("the handlers ran %d times, %d claims were not given up", runs, b.Held())
		}
	})
}

// An error that a policy keeps is over when its time is.
func TestStaleErrorIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, forAMinute().StaleIfError(time.Hour).StatusFor(10*time.Second, http.StatusNotFound),
			status(http.StatusNotFound))
		p.wantTold(t, "404 , fwd=uri-miss; stored; ttl=10", "404 , hit; ttl=10; detail=memory")
		time.Sleep(11 * time.Second)
		p.wantTold(t, "404 , fwd=uri-miss; stored; ttl=10")
	})
}

// flaky is a handler that fails once fails is set.
func flaky(fails *atomic.Bool, d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(d)
		if fails.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, "page")
	}
}

// A page that is evicted while the handler runs does not stand in for it, though it was found before.
func TestI1_StaleIsLookedUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *page
		p = serve(t, output.Config{}, output.For(10*time.Second).Jitter(0).StaleIfError(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			if p.runs.Load() == 1 {
				_, _ = io.WriteString(w, "page")
				return
			}
			if err := p.cache.EvictPath(r.Context(), "/page"); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusBadGateway)
		})
		p.get(t.Context())
		time.Sleep(11 * time.Second)
		p.wantTold(t, "502 , fwd=uri-miss; detail=status") // by then there is nothing stale either
	})
}

// A refresh in vain is tried again after 1 s, then after twice as long each time.
func TestStaleRefreshBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Bool
		p := serve(t, output.Config{}, forAMinute(), flaky(&fails, 0))
		p.get(t.Context())
		fails.Store(true)
		time.Sleep(10 * time.Second)
		for range 100 {
			p.get(t.Context())
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		if s := p.cache.Stats(); s.Refreshes != 4 || s.Unrefreshed != 4 || s.Reasons["status"] == 0 { // at 0, 1, 3 and 7 s
			t.Errorf("%+v", s)
		}
	})
}

// A refresh that arrives at another key has not made the page anew, and makes none at all.
func TestI4_StaleRefreshOfAnotherKeyIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, forAMinute().VaryBy("who", func(r *http.Request) string {
			return fmt.Sprint(output.Refreshing(r.Context()))
		}), numbered(0))
		p.wantTold(t, "200 run 1, fwd=uri-miss; stored; ttl=10")
		time.Sleep(11 * time.Second)
		p.wantTold(t, "200 run 1, hit; ttl=-1; detail=memory", "200 run 1, hit; ttl=-1; detail=memory")
		if s := p.cache.Stats(); s.Unrefreshed != 1 || s.Reasons["other-key"] != 1 || p.runs.Load() != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Whoever waits for a handler that fails has the stale page too, and does not run the handler once more.
func TestStaleIsForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Bool
		p := serve(t, output.Config{}, output.For(10*time.Second).Jitter(0).StaleIfError(time.Minute), flaky(&fails, time.Second))
		p.get(t.Context())
		fails.Store(true)
		time.Sleep(11 * time.Second)
		for _, w := range p.crowd(20, always) {
			if w.Body.String() != "page" || !strings.Contains(w.Header().Get("Cache-Status"), "fwd=stale") {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
		}
		if n := p.runs.Load(); n != 2 {
			t.Errorf("the handler ran %d times", n)
		}
	})
}

// Close waits for a refresh, whose context it ends.
func TestStaleRefreshIsWaitedForByClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refreshing, ended atomic.Bool
		p := serve(t, output.Config{}, forAMinute(), func(w http.ResponseWriter, r *http.Request) {
			if output.Refreshing(r.Context()) {
				refreshing.Store(true)
				<-r.Context().Done()
				time.Sleep(time.Second)
				ended.Store(true)
			}
			_, _ = io.WriteString(w, "page")
		})
		p.get(t.Context())
		time.Sleep(11 * time.Second)
		p.get(t.Context())
		synctest.Wait()
		if err := p.cache.Close(); err != nil || !refreshing.Load() || !ended.Load() {
			t.Errorf("%v, refreshing: %v, ended: %v", err, refreshing.Load(), ended.Load())
		}
	})
}

func TestStalePolicyIsValidated(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]output.Policy{
		"output: policy: StaleWhileRevalidate(0s): the duration must be positive; leave it out to turn it off": output.For(time.Minute).StaleWhileRevalidate(0),
		"output: policy: StaleIfError(-1s): the duration must be positive; leave it out to turn it off":        output.For(time.Minute).StaleIfError(-time.Second),
		"output: policy: StaleIfError(1752000h0m0s): longer than a hundred years":                              output.For(time.Minute).StaleIfError(200 * 365 * 24 * time.Hour),
	} {
		if err := p.Validate(); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	p := output.For(time.Minute).StaleWhileRevalidate(time.Second).StaleIfError(time.Hour)
	if got := p.String(); got != "For(1m0s).StaleWhileRevalidate(1s).StaleIfError(1h0m0s)" {
		t.Error(got)
	}
}

// The observer hears of what was stale, what stood in, and what was made in the background.
func TestStaleIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := &stories{}
		fails := false
		p := serve(t, output.Config{Observer: heard}, forAMinute().StaleIfError(5*time.Minute), func(w http.ResponseWriter, _ *http.Request) {
			if fails {
				w.WriteHeader(http.StatusBadGateway)
			}
			_, _ = io.WriteString(w, "page")
		})
		p.get(t.Context())
		time.Sleep(11 * time.Second)
		p.get(t.Context())
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		fails = true
		p.get(t.Context())
		want := "filled 200 stored 10s, hit 200 stale -1s, filled 200 stored 10s refresh, filled 200 stale -1m50s status"
		if got := heard.String(); got != want {
			t.Errorf("heard %s\nwant  %s", got, want)
		}
	})
}

// stories is an observer that writes down what it hears of hits and fills.
type stories struct {
	output.NopObserver

	mu  sync.Mutex
	all []string
}

func (s *stories) tell(words ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, strings.Join(strings.Fields(fmt.Sprintln(words...)), " "))
}

func (s *stories) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.all, ", ")
}

func word(is bool, word string) string {
	if is {
		return word
	}
	return ""
}

func (s *stories) Hit(e output.Event) { s.tell("hit", e.Status, word(e.Stale, "stale"), e.TTL) }

func (s *stories) Filled(e output.Event) {
	s.tell("filled", e.Status, e.Verdict, word(e.Stale, "stale"), e.TTL, word(e.Refresh, "refresh"), e.Reason)
}
