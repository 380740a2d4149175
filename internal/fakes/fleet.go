// Package fakes has what the tests of several packages put in the place of a backend.
package fakes

import (
	"context"
	"sync"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Fleet is a backend that several processes share: it grants the claims of a load ([store.Fleet]) as one on the network
// does. It is for concurrent use, but for its fields, which are set before.
type Fleet struct {
	store.Backend
	CrashedUntil time.Time // until when somebody who has crashed holds every claim
	Err          error     // what every claim fails with

	mu     sync.Mutex
	held   map[string]time.Time // until when
	claims int
}

// NewFleet returns an empty Fleet.
func NewFleet() *Fleet {
	return &Fleet{Backend: memstore.New(memstore.Config{}), held: make(map[string]time.Time)}
}

// Claim is that of [store.Fleet].
func (f *Fleet) Claim(_ context.Context, key string, lease time.Duration) (func(), bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims++
	now := time.Now()
	switch {
	case f.Err != nil:
		return nil, false, f.Err
	case now.Before(f.CrashedUntil) || now.Before(f.held[key]):
		return nil, false, nil
	}
	until := now.Add(lease)
	f.held[key] = until
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.held[key].Equal(until) {
			delete(f.held, key)
		}
	}, true, nil
}

// Claims returns how often a claim has been asked for.
func (f *Fleet) Claims() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.claims
}

// Held returns how many claims have not been given back.
func (f *Fleet) Held() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.held)
}
