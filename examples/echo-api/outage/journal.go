package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

const watchEvery = 25 * time.Millisecond

// journal is when evictions were queued at the instance that is written to: a write is answered although Redis has not
// confirmed its eviction, and until it has, another instance that reaches Redis does not know of it.
type journal struct {
	mu   sync.Mutex
	last time.Time // that some were
}

// backend is what an instance says of its own.
type backend struct {
	Breaker string `json:"breaker"`
	Journal int    `json:"journal"`
}

func (s *shop) backend(ctx context.Context) (backend, error) {
	var v struct {
		Backend backend `json:"backend"`
	}
	body, err := s.get(ctx, "/debug/cache")
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	return v.Backend, err
}

// watch looks whether evictions are queued, and whether all is well again.
func (d *drive) watch(ctx context.Context) {
	well := true
	for i, s := range d.fleet.all {
		b, err := s.backend(ctx)
		well = well && err == nil && b.Breaker == "closed" && b.Journal == 0
		if i == 0 && b.Journal > 0 {
			d.journal.mu.Lock()
			d.last = time.Now()
			d.journal.mu.Unlock()
		}
	}
	if well {
		d.settle()
	}
}

// queued reports whether evictions were queued since a time, or are.
func (d *drive) queued(ctx context.Context, since time.Time) bool {
	d.watch(ctx)
	d.journal.mu.Lock()
	defer d.journal.mu.Unlock()
	return d.last.After(since.Add(-4 * watchEvery))
}

// state is what the instances say of their backends, in a line.
func (f *shops) state(ctx context.Context) string {
	all := make([]string, 0, len(f.all))
	for _, s := range f.all {
		b, err := s.backend(ctx)
		if err != nil {
			all = append(all, fmt.Sprintf("%s: %v", s.name, err))
			continue
		}
		all = append(all, fmt.Sprintf("%s: breaker %s, evictions queued %d", s.name, b.Breaker, b.Journal))
	}
	return strings.Join(all, "; ")
}
