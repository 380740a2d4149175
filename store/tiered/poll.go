package tiered

import (
	"context"
	"time"

	"github.com/echocache/echocache/store"
)

// pollsPerLease is how often news are asked for in a lease: one question may be lost, and it goes on.
const pollsPerLease = 3

// poll asks for news until Close.
func (s *Store) poll() {
	every := s.config.Lease / pollsPerLease
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-timer.C:
		case <-s.hint:
			// What was just told is to be acknowledged as well: the evictor waits for that.
		}
		again := s.ask()
		if s.life.Err() != nil {
			return
		}
		if again {
			timer.Reset(0)
		} else {
			timer.Reset(every)
		}
	}
}

// ask asks once, and carries out what it is told. It reports whether there was something: then the next question, which
// says that it is done, must not wait.
func (s *Store) ask() (again bool) {
	began := time.Now() // before the question is sent: see the package's comment
	ctx, cancel := context.WithTimeout(s.life, s.config.Lease)
	defer cancel()
	seen, evicted := s.fences(), s.evicted.Load()
	news, err := s.feed.Poll(ctx, s.holder, s.config.Lease, seen)
	s.polls.Add(1)
	if err != nil || len(news) == 0 || seen != nil && len(news) != len(seen) {
		s.failed.Add(1)
		s.lost()
		if err != nil && s.life.Err() == nil {
			s.config.Logger.Debug("poll failed", "error", err)
		}
		return false
	}
	now := make([]store.Fence, len(news))
	for part, n := range news {
		now[part] = n.Fence
		names := n.Names
		if n.Lost || seen == nil {
			names = []string{partTag(part)}
		}
		if len(names) > 0 {
			s.forget(ctx, names)
			again = true
		}
	}
	s.seen.Store(&now)
	s.told.Store(evicted)
	over := began.Add(s.config.Lease)
	if s.away.Swap(nil) != nil {
		s.back()
	}
	s.lease.Store(&over) // last: from here on memory answers on the strength of what was just carried out
	return again && s.holder != "" && seen != nil
}

// back tells a breaker below that the remote answers again: its own waits may be long.
func (s *Store) back() {
	if b, ok := store.As[interface{ Retry() }](s.remote); ok {
		b.Retry()
	}
}

// hinted has the next question asked now.
func (s *Store) hinted() {
	select {
	case s.hint <- struct{}{}:
	default:
	}
}
