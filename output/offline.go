package output

import (
	"time"

	"github.com/echocache/echocache/store"
)

// offline returns a page from memory that may have been evicted elsewhere, while the backend behind that cannot be reached
// and if the backend is set to give it; see [store.Offline]. Never one that is one user's own: who may see what can change.
func (q *request) offline() (*page, time.Duration) {
	if q.cache.offline == nil || q.policy.perUser {
		return nil, 0
	}
	held, left, ok := q.cache.offline.PeekOffline([]byte(q.key))
	if !ok {
		return nil, 0
	}
	return q.pageIn(held, []byte(q.key)), left
}

// pageIn returns the page in a record in memory, or nil if it cannot be read.
func (m *Mount) pageIn(held store.Held, key []byte) *page {
	if p, ok := held.View().(*page); ok {
		return p
	}
	w, err := decode(held.Record().Value, key)
	if err != nil {
		m.damaged(string(key))
		return nil
	}
	p := newPage(w)
	held.SetView(p, p.size())
	return p
}
