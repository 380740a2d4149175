package flight

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// ErrAbandoned is what waiters of a flight get whose leader did not finish in time, or never will.
var ErrAbandoned = errors.New("flight: abandoned by its leader")

// Moment orders the arrival of callers and the start of flights within one [Group]. It is a counter, not a time.
type Moment uint64

// Role says what a caller of [Group.Join] has to do.
type Role uint8

const (
	// Lead: compute, then Finish.
	Lead Role = iota
	// LeadAgain: as Lead, but a flight ended after the moment given to Join, perhaps one of this very key. What
	// the caller looked up before may be out of date.
	LeadAgain
	// Follow: wait.
	Follow
)

// stripes of the memory of when flights ended. More of them make LeadAgain rarer, never wrong.
const stripes = 256

// Group is a set of flights, one a key at most. The zero value is not usable; see [NewGroup].
type Group[T any] struct {
	clock atomic.Uint64
	seed  maphash.Seed
	ended [stripes]atomic.Uint64 // by hash of the key: the moment its last flight ended

	mu      sync.Mutex
	flights map[string]*Flight[T] // guarded by mu; a sealed flight stays until it ends
}

// NewGroup returns an empty group.
func NewGroup[T any]() *Group[T] {
	return &Group[T]{seed: maphash.MakeSeed(), flights: make(map[string]*Flight[T])}
}

// Now returns the present moment. Everything that happens in the group afterwards is later.
func (g *Group[T]) Now() Moment { return Moment(g.clock.Add(1)) }

// Flight is one computation of a key.
type Flight[T any] struct {
	group   *Group[T]
	key     string
	started Moment
	timer   *time.Timer
	done    chan struct{} // closed once value or abandoned is set

	// Guarded by group.mu until done is closed, immutable afterwards.
	waiters   int
	waiting   int    // of them those that have not left
	deserted  func() // if not nil, called when the last of them leaves
	sealed    bool
	ended     bool
	abandoned bool
	value     T
}

// Waiter is one caller's place in another's flight.
type Waiter[T any] struct {
	flight *Flight[T]
	early  bool
}

// Join finds the flight of key, or starts one. since is the moment before the caller looked for the value elsewhere.
// A flight that is not finished after patience is abandoned: its waiters leave and the next caller leads a new one.
//
// A caller that leads gets the flight and must call Finish or Abandon on every path; one that follows gets its waiter.
func (g *Group[T]) Join(key string, since Moment, patience time.Duration) (*Flight[T], Waiter[T], Role) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flights[key]; f != nil {
		return nil, f.join(), Follow
	}
	f := g.start(key, patience)
	role := Lead
	if g.stripe(key).Load() > uint64(since) {
		role = LeadAgain
	}
	return f, Waiter[T]{}, role
}

// Lead starts a flight of key if there is none, for a caller that has no use for another's. It returns nil if there is
// one, or if one ended after since.
func (g *Group[T]) Lead(key string, since Moment, patience time.Duration) *Flight[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flights[key] != nil || g.stripe(key).Load() > uint64(since) {
		return nil
	}
	return g.start(key, patience)
}

// start adds a flight. The caller holds mu.
func (g *Group[T]) start(key string, patience time.Duration) *Flight[T] {
	f := &Flight[T]{group: g, key: key, started: g.Now(), done: make(chan struct{})}
	g.flights[key] = f
	f.timer = time.AfterFunc(patience, f.Abandon)
	return f
}

func (g *Group[T]) stripe(key string) *atomic.Uint64 {
	return &g.ended[maphash.String(g.seed, key)%stripes]
}

// Len returns how many flights are under way.
func (g *Group[T]) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.flights)
}

// join adds a waiter. The caller holds the group's mu.
func (f *Flight[T]) join() Waiter[T] {
	f.waiters++
	f.waiting++
	return Waiter[T]{f, !f.sealed}
}

// Watch makes the caller a waiter of the flight that it leads, for one who has somebody else compute. When the last
// waiter has left before the flight ended, it is abandoned, and deserted is called, once.
func (f *Flight[T]) Watch(deserted func()) Waiter[T] {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	f.deserted = deserted
	return f.join()
}

// Seal ends the time in which joining counts as early. It must come before the value is handed to a store, so that
// everybody who joined early arrived before the store judged it. It reports whether the flight is still under way.
func (f *Flight[T]) Seal() bool {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	f.sealed = true
	return !f.ended
}

// Finish gives value to everybody who waits and ends the flight. Only the first call of Finish or Abandon counts; it
// reports whether this was the one.
func (f *Flight[T]) Finish(value T) bool { return f.end(value, false) }

// Abandon ends the flight without a value: waiters get [ErrAbandoned].
func (f *Flight[T]) Abandon() {
	var none T
	f.end(none, true)
}

func (f *Flight[T]) end(value T, abandoned bool) bool {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	return f.endLocked(value, abandoned)
}

func (f *Flight[T]) endLocked(value T, abandoned bool) bool {
	g := f.group
	if f.ended {
		return false
	}
	f.ended, f.value, f.abandoned = true, value, abandoned
	f.timer.Stop()
	delete(g.flights, f.key)
	g.stripe(f.key).Store(uint64(g.Now()))
	close(f.done)
	return true
}

// Waiters returns how many callers have joined so far.
func (f *Flight[T]) Waiters() int {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	return f.waiters
}

// Wait returns the flight's value as soon as it has one. It returns ctx's error if ctx ends first, and then the waiter
// has left; and [ErrAbandoned] if the flight ended without a value.
func (w Waiter[T]) Wait(ctx context.Context) (T, error) {
	var none T
	select {
	case <-w.flight.done:
		return w.Result()
	case <-ctx.Done():
		w.Leave()
		return none, ctx.Err()
	}
}

// Done is closed when the flight has ended: for a waiter that waits for something else besides, and then calls Result,
// or Leave, or, if the flight shall go on without it, nothing.
func (w Waiter[T]) Done() <-chan struct{} { return w.flight.done }

// Result returns what Wait would, once Done is closed.
func (w Waiter[T]) Result() (T, error) {
	if w.flight.abandoned {
		var none T
		return none, ErrAbandoned
	}
	return w.flight.value, nil
}

// Leave says that the waiter has no use for the value any more. It must be called once at most.
func (w Waiter[T]) Leave() {
	f := w.flight
	f.group.mu.Lock()
	f.waiting--
	var deserted func()
	if f.waiting == 0 && f.deserted != nil {
		// Ended here and not by deserted: who comes now must not join what is about to be cancelled.
		var none T
		if f.endLocked(none, true) {
			deserted = f.deserted
		}
	}
	f.group.mu.Unlock()
	if deserted != nil {
		deserted()
	}
}

// Early reports whether the caller joined before the flight was sealed.
func (w Waiter[T]) Early() bool { return w.early }

// Started returns the moment at which the flight began.
func (w Waiter[T]) Started() Moment { return w.flight.started }
