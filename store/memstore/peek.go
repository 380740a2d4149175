package memstore

import (
	"time"
	"unsafe"

	"github.com/echocache/echocache/store"
)

// Peek returns what is under key without copying or allocating anything. It is Lookup for a hit: judged the same way,
// but without a fence. The bytes of key may be reused as soon as it returns.
func (s *Store) Peek(key []byte) (held store.Held, left time.Duration, ok bool) {
	if s.off.Load() {
		return nil, 0, false
	}
	// A string over borrowed bytes: nothing below keeps it, go-cache's Get included. What is forgotten is
	// forgotten under the item's own key.
	it, left := s.find(unsafe.String(unsafe.SliceData(key), len(key)))
	if it == nil {
		return nil, 0, false
	}
	return it, left, true
}
