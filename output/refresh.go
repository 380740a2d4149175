package output

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/internal/fleet"
	"github.com/echocache/echocache/internal/flight"
	"github.com/echocache/echocache/internal/mark"
	"github.com/echocache/echocache/store"
)

// Refreshing reports whether ctx is that of a request which the cache makes itself, in the background, to make a stale
// page anew. Nobody waits for its answer. A rate limiter or an access log that counts clients may want to leave it out;
// authentication must not.
func Refreshing(ctx context.Context) bool { return refreshOf(ctx) != nil }

// refresh is one request in the background, for one key of one mount.
type refresh struct {
	mount   *Mount
	key     string
	route   string
	life    context.Context //nolint:containedctx // the request's, with a deadline
	cancel  context.CancelFunc
	settled atomic.Bool            // the page is fresh, or somebody else sees to it: no failure
	reason  atomic.Pointer[string] // why it came to nothing
}

func (a *refresh) because(reason string) { a.reason.Store(&reason) }

// refreshContext is the context of a refresh: it ends when the refresh does, whoever asked for it, and has the values
// that the door gave it.
type refreshContext struct {
	context.Context
	values  context.Context //nolint:containedctx // only its values count
	refresh *refresh
}

// Value answers for the refresh itself, also where a fill would: the page that a request was part of is not part of this
// one.
func (c *refreshContext) Value(key any) any {
	if key == (mark.Key{}) {
		return c.refresh
	}
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.values.Value(key)
}

// refreshOf returns the refresh that ctx is part of, or nil.
func refreshOf(ctx context.Context) *refresh {
	switch at := ctx.Value(mark.Key{}).(type) {
	case *refresh:
		return at
	case *Fill:
		return at.q.during
	}
	return nil
}

// refreshes are those under way: one for each key, and so many at most.
type refreshes struct {
	mu     sync.Mutex
	keys   map[string]struct{}
	closed bool
	all    sync.WaitGroup
}

// maxRefreshes bounds them. What finds no place waits for the next request.
const maxRefreshes = 64

func (s *refreshes) begin(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, has := s.keys[key]; has || s.closed || len(s.keys) >= maxRefreshes {
		return false
	}
	if s.keys == nil {
		s.keys = make(map[string]struct{})
	}
	s.keys[key] = struct{}{}
	s.all.Add(1)
	return true
}

func (s *refreshes) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
	s.all.Done()
}

// closeWait is how long Close waits for refreshes to heed their contexts.
const closeWait = 5 * time.Second

// close lets no further refresh begin and waits for those under way, whose contexts have ended.
func (s *refreshes) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.all.Wait()
		close(ended)
	}()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("output: %d refreshes have not ended %s after their context", len(s.keys), closeWait)
	}
}

// refresh sends the request once more, in the background, unless that is being done or was in vain of late.
func (q *request) refresh() {
	c := q.cache
	if c.retries.holds([]byte(q.key)) || !c.refreshes.begin(q.key) {
		return
	}
	h, r := q.x.Again()
	a := &refresh{mount: q.Mount, key: q.key, route: q.x.Route()}
	a.because(reasonUnreached)
	a.life, a.cancel = context.WithTimeout(c.life, c.config.Patience)
	r = r.WithContext(&refreshContext{a.life, r.Context(), a})
	r.Method = http.MethodGet // a HEAD leaves nothing to keep
	r.Body, r.GetBody, r.ContentLength, r.TransferEncoding = http.NoBody, nil, 0, nil
	for _, name := range [...]string{"Range", "If-Range", "If-None-Match", "If-Modified-Since"} {
		delete(r.Header, name) // the whole page is wanted, whatever the client has already
	}
	c.counters.refreshes.Add(1)
	go a.run(h, r)
}

// run is the goroutine of a refresh.
func (a *refresh) run(h http.Handler, r *http.Request) {
	defer a.mount.cache.refreshes.end(a.key)
	defer a.cancel()
	defer func() { a.conclude(recover()) }()
	h.ServeHTTP(&nowhere{http.Header{}, a.life}, r)
}

// conclude sees what became of a refresh. panicked is what its handler panicked with; nobody else is there to catch it.
func (a *refresh) conclude(panicked any) {
	c := a.mount.cache
	if a.settled.Load() || c.life.Err() != nil {
		return
	}
	if p, left := a.mount.peek([]byte(a.key)); p != nil && left > 0 {
		return // somebody else was faster, and what is fresh is all that was wanted
	}
	attrs := []any{"cache", c.config.Name, "route", a.route, "reason", *a.reason.Load()}
	if panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint,err113 // a panic's value, which net/http compares so too
		attrs = append(attrs, "panic", panicked, "stack", string(debug.Stack()))
	}
	c.counters.unrefreshed.Add(1)
	c.counters.because(*a.reason.Load())
	c.config.Logger.Warn("page not refreshed, the stale one stands", append(attrs, "retry", c.retries.begin([]byte(a.key)))...)
}

// renews reports whether the request is a refresh that has arrived where it was sent.
func (q *request) renews() bool {
	return q.during != nil && q.during.mount == q.Mount && q.during.key == q.key
}

// renew makes the page of a refresh, unless somebody else does, or just has.
func (q *request) renew() error {
	c, a := q.cache, q.during
	since := c.flights.Now()
	page, _, fence := q.lookUp(q.r.Context(), nil)
	c.at("look-up")
	if page != nil {
		a.settled.Store(true)
		return nil
	}
	if fence.Epoch == [16]byte{} {
		a.because(reasonBackend)
		return nil
	}
	own := c.flights.Lead(q.key, since, c.config.Patience)
	if own == nil {
		a.settled.Store(true)
		return nil
	}
	release := unclaimed
	if c.fleet != nil && q.policy.fleet {
		var mine bool
		if release, fence, mine = q.claim(own, fence); !mine {
			return nil
		}
	}
	return q.lead(own, fence, release)
}

// claim keeps other processes from making the page of a refresh as well. It returns the fence for the fill, or that there
// is none to be made.
func (q *request) claim(own *flight.Flight[outcome], fence store.Fence) (func(), store.Fence, bool) {
	c, a := q.cache, q.during
	release, mine, err := c.fleet.Claim(q.r.Context(), q.key, fleet.Lease)
	if err != nil {
		return unclaimed, fence, true // a claim only saves work
	}
	if mine {
		// Another process may have had it between the look-up and now.
		page, _, again := q.lookUp(q.r.Context(), nil)
		if page == nil {
			return release, again, true
		}
		release()
	}
	a.settled.Store(true)
	own.Finish(outcome{kind: outcomeAgain})
	return nil, fence, false
}

// nowhere is where the answer to a refresh goes.
type nowhere struct {
	header http.Header
	life   context.Context //nolint:containedctx // the refresh's
}

func (w *nowhere) Header() http.Header { return w.header }
func (w *nowhere) WriteHeader(int)     {}
func (w *nowhere) Flush()              {}

// Write fails when the refresh is over, as it does when a client has gone: a stream must end.
func (w *nowhere) Write(p []byte) (int, error) {
	if err := w.life.Err(); err != nil {
		return 0, err //nolint:wrapcheck // a context's
	}
	return len(p), nil
}
