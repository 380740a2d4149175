package output

import "time"

// offline returns a page from memory that may have been evicted elsewhere, while the backend behind that cannot be reached
// and if the backend is set to give it; see store.Offline. Never one that is one user's own: who may see what can change.
func (q *request) offline() (*page, time.Duration) {
	if q.cache.offline == nil || q.policy.perUser {
		return nil, 0
	}
	held, left, ok := q.cache.offline.PeekOffline([]byte(q.key))
	if !ok {
		return nil, 0
	}
	p, _ := held.View().(*page)
	if p == nil {
		p = q.pageIn(held, []byte(q.key))
	}
	// What may have been evicted is not to be stale besides.
	if p == nil || left <= p.tail {
		return nil, 0
	}
	return p, left - p.tail
}
