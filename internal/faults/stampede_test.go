package faults_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/breaker"
	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// A crowd that asks for one page at once, which takes a while to make and which nobody can keep.
const (
	crowd    = 2000
	making   = 50 * time.Millisecond
	inTime   = breaker.DefaultLookupTimeout + 150*time.Millisecond // until everybody is answered, with -fault-seconds
	inATime  = 20 * time.Second                                    // else: every other test may be running as well
	attempts = 3                                                   // of which one in time will do
)

// work is the handler's side of a page: when each of its runs began, and how many there were at once.
type work struct {
	mu        sync.Mutex
	began     []time.Time
	now, most int
}

func (w *work) handle(c echo.Context) error {
	w.mu.Lock()
	w.began = append(w.began, time.Now())
	run := len(w.began)
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now--
	}()
	time.Sleep(making)
	return c.String(http.StatusOK, fmt.Sprintf("page %s run %d", c.Param("id"), run))
}

// asker is one of a crowd.
type asker struct {
	arrived  time.Time
	answered time.Time
	code     int
	body     string
}

// rush is what became of a crowd.
type rush struct {
	name   string
	work   *work
	askers []asker
	took   time.Duration // until the last answer
}

// rushFor lets a crowd ask h for a page whose handler counts in w.
func rushFor(page string, h http.Handler, w *work) *rush {
	r := &rush{name: page, work: w, askers: make([]asker, crowd)}
	var all, ready sync.WaitGroup
	open := make(chan struct{})
	ready.Add(crowd)
	for i := range r.askers {
		all.Go(func() {
			request, answer := httptest.NewRequest(http.MethodGet, "/pages/"+page, http.NoBody), httptest.NewRecorder()
			ready.Done()
			<-open
			arrived := time.Now()
			h.ServeHTTP(answer, request)
			r.askers[i] = asker{arrived, time.Now(), answer.Code, answer.Body.String()}
		})
	}
	ready.Wait()
	began := time.Now()
	close(open)
	all.Wait()
	for _, a := range r.askers {
		r.took = max(r.took, a.answered.Sub(began))
	}
	return r
}

// waited returns for how many runs the asker waited longest that waited for most.
func (r *rush) waited() (most int) {
	for _, a := range r.askers {
		n := 0
		for _, began := range r.work.began {
			if !began.Before(a.arrived) && !began.After(a.answered) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// mostWaited is how many runs may begin while somebody waits. Whoever comes while one is under way waits for the next,
// which is its own; one more may pass while it finds out that Redis does not answer.
const mostWaited = 3

// late returns what must not have happened if the machine had time for the crowd.
func (r *rush) late() error {
	most := inATime
	if *faultSeconds > 0 {
		most = inTime
		if n := r.waited(); n > mostWaited {
			return fmt.Errorf("while somebody waited %d handlers began, want at most %d", n, mostWaited)
		}
	}
	if r.took > most {
		return fmt.Errorf("the last was answered after %v, want %v", r.took, most)
	}
	return nil
}

// wrong returns what must not have happened, however busy the machine is: nothing can be kept, so each answer has to be of
// a run that began after its question, and yet no two runs may be at once.
func (r *rush) wrong() error {
	var all []error
	if r.work.most != 1 {
		all = append(all, fmt.Errorf("%d handlers at once", r.work.most))
	}
	for i, a := range r.askers {
		var page string
		var run int
		_, err := fmt.Sscanf(a.body, "page %s run %d", &page, &run)
		switch {
		case a.code != http.StatusOK || err != nil || page != r.name || run < 1 || run > len(r.work.began):
			all = append(all, fmt.Errorf("asker %d: %d %.100q", i, a.code, a.body))
		case r.work.began[run-1].Before(a.arrived):
			all = append(all, fmt.Errorf("asker %d: an answer that is older than the question", i))
		default:
			continue
		}
		break // one will do
	}
	return errors.Join(all...)
}

// mounted returns an application whose pages are in the rig's cache, and what counts its handlers.
func (r *rig) mounted(tb testing.TB, p output.Policy) (http.Handler, func(page string) *work) {
	tb.Helper()
	cache, err := echocache.New(echocache.Config{Cache: r.cache})
	if err != nil {
		tb.Fatal(err)
	}
	var works sync.Map
	of := func(page string) *work {
		w, _ := works.LoadOrStore(page, &work{})
		return w.(*work) //nolint:forcetypeassert // nothing else is in there
	}
	e := echo.New()
	e.GET("/pages/:id", func(c echo.Context) error { return of(c.Param("id")).handle(c) }, cache.Output(p))
	return e, of
}

// kept asks for a page until it is a hit: Redis is known then, and connections are there.
func kept(tb testing.TB, h http.Handler) {
	tb.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/pages/warm", http.NoBody))
		if strings.Contains(w.Header().Get("Cache-Status"), "; hit") {
			return
		}
	}
	tb.Fatal("a page was not kept though nothing was wrong")
}

// A crowd asks for one page while Redis can keep nothing: first when nobody knows yet, then when it is known. One
// handler runs at a time and everybody is answered soon.
func TestAStampedeWhileRedisIsInTrouble(t *testing.T) {
	full := command("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 256mb")
	plain := output.For(time.Minute).Public()
	for _, f := range []fault{{name: "down", begin: down}, {name: "OOM", begin: full}, {name: "paused", begin: paused}} {
		for _, tier := range []bool{false, true} {
			for _, p := range []output.Policy{plain, plain.CollapseFleet()} {
				f.tiered = tier
				t.Run(fmt.Sprintf("%s,tiered=%t,%s", f.name, tier, p), func(t *testing.T) { stampede(t, f, p) })
			}
		}
	}
}

func stampede(t *testing.T, f fault, p output.Policy) {
	t.Helper()
	for range attempts {
		var late error
		for _, r := range rushes(t, f, p) {
			t.Logf("%-7s the last of %d was answered after %3d ms; %d runs, of which nobody waited for more than %d",
				r.name, crowd, r.took.Milliseconds(), len(r.work.began), r.waited())
			if err := r.wrong(); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
			late = errors.Join(late, r.late())
		}
		if late == nil || t.Failed() {
			return
		}
		t.Log(late)
	}
	t.Errorf("too late %d times of %d", attempts, attempts)
}

// rushes lets a fault happen, and two crowds ask meanwhile.
func rushes(t *testing.T, f fault, p output.Policy) []*rush {
	t.Helper()
	r := newRig(t, f)
	h, of := r.mounted(t, p)
	kept(t, h)
	heal := f.begin(r)
	var all []*rush
	for _, page := range []string{"unknown", "known"} {
		all = append(all, rushFor(page, h, of(page)))
	}
	heal()
	if err := r.close(); err != nil {
		t.Error(err)
	}
	return all
}

// What is wrong is noticed where there is no cache, and where answers come from one that keeps them.
func TestAStampedeIsJudged(t *testing.T) {
	e, bare := echo.New(), &work{}
	e.GET("/pages/:id", bare.handle)
	if err := rushFor("bare", e, bare).wrong(); err == nil || !strings.Contains(err.Error(), "at once") {
		t.Errorf("of %d handlers at once: %v", bare.most, err)
	}
	cache, err := echocache.New(echocache.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	cached, keeps := &work{}, echo.New()
	keeps.GET("/pages/:id", cached.handle, cache.Output(output.For(time.Minute)))
	rushFor("cached", keeps, cached)
	if err := rushFor("cached", keeps, cached).wrong(); err == nil || !strings.Contains(err.Error(), "older") {
		t.Errorf("of answers that are hits: %v", err)
	}
}
