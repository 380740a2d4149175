package output

import (
	"context"
	"sync"
	"time"

	"github.com/echocache/echocache/store"
)

// Entry is what a handler can say of the page it is making. All methods may be called concurrently and on a nil
// Entry, which ignores them; so a handler need not ask whether its route is cached. What is said after the handler
// returned is ignored.
type Entry struct {
	mu      sync.Mutex
	tags    []string
	ttl     time.Duration
	until   time.Time
	noStore bool
	fault   error
}

// Current returns the page being made in ctx, or nil if none is: the route is not cached, or the request bypassed.
func Current(ctx context.Context) *Entry {
	if f := fillOf(ctx); f != nil {
		return &f.entry
	}
	return nil
}

// Tag adds tags to the page. An invalid tag (see [store.CheckTag]) keeps the page from being stored, since it could
// not be evicted by it.
func (e *Entry) Tag(tags ...string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range tags {
		if err := store.CheckTag(t); err != nil {
			e.fault = err
			return
		}
	}
	e.tags = append(e.tags, tags...)
}

// TTL sets the page's time to live in place of the policy's. Zero or less keeps it from being stored.
func (e *Entry) TTL(d time.Duration) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ttl, e.until = d, time.Time{}
	e.noStore = e.noStore || d <= 0
}

// Until sets the moment at which the page expires, by the wall clock, in place of the policy's time to live.
func (e *Entry) Until(t time.Time) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ttl, e.until = 0, t
}

// NoStore keeps the page from being stored. The answer goes to whoever asked.
func (e *Entry) NoStore() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noStore = true
}

// settle returns what the handler said: its tags, and the time to live, policy's if the handler said nothing.
func (e *Entry) settle(policy time.Duration, now time.Time) (tags []string, ttl time.Duration, exact bool, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.fault != nil:
		return nil, 0, false, reasonTag
	case e.noStore:
		return nil, 0, false, reasonNoStore
	case !e.until.IsZero():
		if ttl = e.until.Sub(now); ttl <= 0 {
			return nil, 0, false, reasonExpired
		}
		return e.tags, ttl, true, ""
	case e.ttl > 0:
		return e.tags, e.ttl, false, ""
	}
	return e.tags, policy, false, ""
}
