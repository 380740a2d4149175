package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

// Store is a [store.Backend] in Redis, with the abilities [store.Tier], [store.Replacer], [store.Feed],
// [store.Fleet] and [store.Sweeper]. Make one with [New]. All methods may be called concurrently.
//
// Every method returns within its timeout in Config, or when its context ends if that is sooner, whatever the server
// and the client do meanwhile: commands that are under way go on without the caller, an eviction too.
type Store struct {
	client redis.UniversalClient
	config Config
	fault  error // what is wrong with config
	layout string
	places []place
	seals  seals
	counts counts

	standing atomic.Pointer[standing] // what is known of the server; nil at first
	batches  batches
	maxTrips int
	writing  room // a place for each store under way
	evicting room // a place for each eviction under way
	claiming room // a place for each claim under way, made or given up
	probes   probes
	leases   leases

	mu     sync.Mutex
	closed atomic.Bool    // written under mu
	work   sync.WaitGroup // added to under mu, unless closed
}

// maxWriting is how many stores, how many evictions, and how many claims may be under way at once. It is about the goroutines and
// payloads that a server which hangs can hold.
const maxWriting = 64

// room is a number of places.
type room struct {
	places chan struct{}
	wait   time.Duration // for a place; 0: as long as the call may take
}

// placeWait is how long a store waits for others to be done. That it has to says nothing about the server, so it does not
// end in a failure as it would if it waited for a connection of the client.
const placeWait = 25 * time.Millisecond

var errNoPlace = errors.New("redisstore: more stores are under way than there are connections")

// enter takes a place.
func (r room) enter(ctx context.Context) error {
	select {
	case r.places <- struct{}{}:
		return nil
	default:
	}
	var over <-chan time.Time
	if r.wait > 0 {
		timer := time.NewTimer(r.wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case r.places <- struct{}{}:
		return nil
	case <-over:
		return errNoPlace
	case <-ctx.Done():
		return late(ctx)
	}
}

func (r room) leave() { <-r.places }

var errClosed = errors.New("redisstore: closed")

// New returns a store over client, which stays the caller's to close, after the store. It does no I/O: what the server
// is good for is found out at the first use. With a mistake in c the store keeps nothing, every look-up is a miss
// without a fence, and [Store.Check] says why.
func New(client redis.UniversalClient, c Config) *Store {
	c = c.withDefaults(client)
	s := &Store{client: client, config: c, fault: c.check(client)}
	if s.fault == nil && len(c.Keys) > 0 {
		s.seals, s.fault = newSeals(c.Keys)
	}
	if s.fault != nil {
		return s
	}
	s.layout, s.places = layout(c.Shards), newPlaces(c.Namespace, c.Shards)
	s.maxTrips = maxTrips(client)
	s.writing = room{make(chan struct{}, min(maxWriting, connections(client))), placeWait}
	s.evicting = room{make(chan struct{}, maxWriting), 0} // they wait mostly for leases, without a connection
	s.claiming = room{make(chan struct{}, maxWriting), 0}
	return s
}

// Check returns the error in the configuration with which the store was made, if any. It does no I/O.
func (s *Store) Check() error { return s.fault }

// Tier returns "redis".
func (s *Store) Tier() string { return "redis" }

// Close waits for what is under way, which its timeouts bound, and leaves the client open. Afterwards every look-up is
// a miss without a fence, Store refuses, and Evict and Delete return an error. It always returns nil; a second call
// waits as well.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed.Store(true)
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// begin counts a goroutine in, for Close to wait for; work.Done counts it out. It reports false after Close.
func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return false
	}
	s.work.Add(1)
	return true
}

// refusal says why a store that is off is off, and nil if it is not.
func (s *Store) refusal() error {
	switch {
	case s.fault != nil:
		return s.fault
	case s.closed.Load():
		return errClosed
	default:
		return nil
	}
}

// within runs f in a goroutine of its own, with a context that lasts for the timeout whatever becomes of ctx, and
// returns what it returns. The caller leaves earlier, with an error, when ctx or the timeout ends before f does. in bounds
// how many may run at once.
func within[T any](
	ctx context.Context, s *Store, in room, timeout time.Duration, f func(context.Context) (T, error),
) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	waiting, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	if err := in.enter(waiting); err != nil {
		return none, err
	}
	if !s.begin() {
		in.leave()
		return none, errClosed
	}
	done := make(chan outcome, 1)
	go func() {
		defer s.work.Done()
		defer in.leave()
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		value, err := f(own)
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-waiting.Done():
		return none, late(waiting)
	}
}

// late says that the time for an answer was over.
func late(ctx context.Context) error {
	return fmt.Errorf("redisstore: no answer in time: %w", ctx.Err())
}

var (
	_ store.Backend  = (*Store)(nil)
	_ store.Tier     = (*Store)(nil)
	_ store.Replacer = (*Store)(nil)
	_ store.Feed     = (*Store)(nil)
	_ store.Sweeper  = (*Store)(nil)
	_ store.Prompt   = (*Store)(nil)
)
