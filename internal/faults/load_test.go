package faults_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	handlerTime = 5 * time.Millisecond
	pages       = 40
)

// site is the handler behind the cache. Every page has a version that only rises.
type site struct {
	versions [200]atomic.Int64
	floors   [200]atomic.Int64 // the version of the last eviction that returned
	fills    [200]atomic.Int64 // while counting
	counting atomic.Bool
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var page int
	if _, err := fmt.Sscanf(r.URL.Path, "/pages/%d", &page); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if s.counting.Load() {
		s.fills[page].Add(1)
	}
	version := s.versions[page].Load()
	time.Sleep(handlerTime)
	fmt.Fprintf(w, "page %d version %d", page, version)
}

// count counts fills from now on, or forgets those that were counted.
func (s *site) count(on bool) {
	if s.counting.Swap(on) && !on {
		for i := range s.fills {
			s.fills[i].Store(0)
		}
	}
}

// most returns how often the page was filled that was filled most.
func (s *site) most() (n int64) {
	for i := range s.fills {
		n = max(n, s.fills[i].Load())
	}
	return n
}

// answer is one request as its client saw it.
type answer struct {
	at, took time.Duration // at: when it began, from the load's beginning on
	hit      bool
	wrong    string
}

// load is requests at a steady rate, whatever becomes of those before.
type load struct {
	handler http.Handler
	site    *site
	began   time.Time
	work    sync.WaitGroup
	flying  atomic.Int64

	mu      sync.Mutex
	answers []answer
	peak    int64         // of requests at once
	healed  time.Duration // when the fault was over; 0: not yet
	back    time.Duration // from then on to the first hit; 0: not yet
	recent  [2]int        // answers since somebody looked, and hits of them
}

// run asks for pages until ctx ends: burst of them every step, each another one. It waits for the last answer.
func (l *load) run(ctx context.Context, step time.Duration, burst, of int) {
	l.began = time.Now()
	n := 0
	for next := l.began; ; next = next.Add(step) {
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			l.work.Wait()
			return
		}
		for range burst {
			n++
			page := n * 7 % of
			l.work.Go(func() { l.ask(page) })
		}
	}
}

func (l *load) ask(page int) {
	flying := l.flying.Add(1)
	defer l.flying.Add(-1)
	least := l.site.floors[page].Load()
	path := fmt.Sprintf("/pages/%d", page)
	began := time.Now()
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	a := answer{at: began.Sub(l.began), took: time.Since(began)}
	a.hit = strings.Contains(w.Header().Get("Cache-Status"), "; hit")
	var gotPage int
	var version int64
	_, err := fmt.Sscanf(w.Body.String(), "page %d version %d", &gotPage, &version)
	switch {
	case w.Code != http.StatusOK || err != nil || gotPage != page:
		a.wrong = fmt.Sprintf("%s: %d %.100q", path, w.Code, w.Body)
	case version < least:
		a.wrong = fmt.Sprintf("%s: version %d, though what was before %d is evicted, hit: %t", path, version, least, a.hit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, a)
	l.peak = max(l.peak, flying)
	l.recent[0]++
	if !a.hit {
		return
	}
	l.recent[1]++
	if l.healed > 0 && l.back == 0 && a.at >= l.healed {
		l.back = l.since() - l.healed
	}
}

// heal says that the fault is over.
func (l *load) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.healed, l.recent = l.since(), [2]int{}
}

// look reports whether nine answers of ten were hits since it was called last.
func (l *load) look() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked, hit := l.recent[0], l.recent[1]
	l.recent = [2]int{}
	return asked > 0 && 10*hit >= 9*asked
}

// between returns the answers to requests that began between two times.
func (l *load) between(from, to time.Duration) (these []answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.answers {
		if a.at >= from && a.at < to {
			these = append(these, a)
		}
	}
	return these
}

func (l *load) since() time.Duration { return time.Since(l.began) }

func percentile(all []answer, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	times := make([]time.Duration, len(all))
	for i, a := range all {
		times[i] = a.took
	}
	slices.Sort(times)
	return times[(len(times)-1)*percent/100]
}

func hits(all []answer) (n int) {
	for _, a := range all {
		if a.hit {
			n++
		}
	}
	return n
}
