package store

import (
	"hash/maphash"
	"sync"
	"time"
)

// throttled remembers for which keys a load has failed of late. It holds so many at most; when there are more, some are
// tried again too early.
type throttled struct {
	seed maphash.Seed

	mu    sync.Mutex
	until map[uint64]time.Time // by hash of the key
}

const maxThrottled = 1 << 16

func newThrottled() *throttled {
	return &throttled{seed: maphash.MakeSeed(), until: make(map[uint64]time.Time)}
}

// add remembers a key for d.
func (t *throttled) add(key string, d time.Duration) {
	sum, now := maphash.String(t.seed, key), time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.until) >= maxThrottled {
		for old, until := range t.until {
			if !until.After(now) {
				delete(t.until, old)
			}
		}
		if len(t.until) >= maxThrottled {
			clear(t.until)
		}
	}
	t.until[sum] = now.Add(d)
}

// holds reports whether a load of the key must wait.
func (t *throttled) holds(key string) bool {
	sum, now := maphash.String(t.seed, key), time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	until, known := t.until[sum]
	if known && !until.After(now) {
		delete(t.until, sum)
		return false
	}
	return known
}

// remove forgets a key whose load has succeeded.
func (t *throttled) remove(key string) {
	sum := maphash.String(t.seed, key)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.until, sum)
}
