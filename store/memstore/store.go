package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/store"
)

// Store is a [store.Backend] in the memory of this process, with the abilities [store.Local] and [store.Tier]. Make
// one with [New]. All methods may be called concurrently.
//
// Nothing here waits for anything, so no method looks at its context: a cancelled one is served like any other, and
// an eviction is never given up half-way.
type Store struct {
	// Read by every hit; written at New and, off, at Close.
	config Config
	fault  error // what is wrong with config
	base   time.Time
	seed   maphash.Seed // of keys
	fences *fences
	front  front
	shards []shard
	mask   int
	budget int64 // what records may weigh: MaxBytes less the room for fences and front
	off    atomic.Bool
	_      [64]byte

	used            atomic.Int64 // what records weigh
	evictions       atomic.Uint64
	fenced          atomic.Uint64
	droppedForSpace atomic.Uint64
	droppedExpired  atomic.Uint64

	closing sync.Once
	stop    chan struct{}      // closed by Close
	stopped chan struct{}      // closed when the sweeper has ended
	full    chan struct{}      // the fence table dropped a part: sweep soon
	asked   chan chan struct{} // Sweep: the answer is closed after a pass
}

var (
	errClosed  = errors.New("memstore: closed")
	errNoFence = errors.New("memstore: the fence has no epoch: take it from a look-up before the value is computed")
)

// New returns an empty store and starts its sweeper, which [Store.Close] ends. With a mistake in c the store keeps
// nothing: every look-up is a miss without a fence, and [Store.Check] says why.
func New(c Config) *Store {
	c = c.withDefaults()
	s := &Store{config: c, fault: c.check(), stop: make(chan struct{}), stopped: make(chan struct{})}
	if s.fault != nil {
		s.off.Store(true)
		close(s.stopped)
		return s
	}
	room := fenceRoom(c.MaxBytes)
	s.base, s.seed, s.fences = time.Now(), maphash.MakeSeed(), newFences(room)
	s.front = make(front, frontSize(c.MaxBytes))
	s.budget = c.MaxBytes - int64(room)*fenceBytes - int64(len(s.front))*frontBytes
	s.shards, s.mask = make([]shard, c.Shards), c.Shards-1
	for i := range s.shards {
		s.shards[i].open(s, i)
	}
	s.full, s.asked = make(chan struct{}, 1), make(chan chan struct{})
	go s.sweepUntilStopped()
	return s
}

// Lookup returns what is under keys, in their order, and the fence for a fill of them that begins now. It never fails.
func (s *Store) Lookup(_ context.Context, keys ...string) ([]store.Found, error) {
	found := make([]store.Found, len(keys))
	if s.off.Load() {
		return found, nil
	}
	fence := s.fences.now() // before anything is looked at
	for i, key := range keys {
		found[i].Fence = fence
		if it, left := s.find(key); it != nil {
			found[i].Record, found[i].Left = &it.record, left
		}
	}
	return found, nil
}

// find returns the item under key that may be given out, and for how long still. What may not be is forgotten.
func (s *Store) find(key string) (*item, time.Duration) {
	sum := s.keySum(key)
	it := s.front.get(sum, key)
	if it == nil {
		if it = s.shard(sum).get(key); it == nil {
			return nil, 0
		}
		s.front.offer(it)
	}
	now := s.now()
	switch {
	case it.expired(now):
		if it.home.forget(it) {
			s.droppedExpired.Add(1)
		}
		return nil, 0
	case !s.fences.fresh(it):
		it.home.forget(it)
		return nil, 0
	}
	if !it.visited.Load() {
		it.visited.Store(true)
	}
	it.touch(now)
	return it, time.Duration(it.due - now)
}

// Store keeps r under key for its TTL. The verdict is
//
//   - [store.Fenced] if one of r's tags, or key, was evicted since r's fence, or if that cannot be told: the fence is
//     another store's, or older than what the fence table remembers. A new look-up gives a new fence;
//   - [store.Refused] with an error if r has no fence or no TTL, if it weighs more than the whole budget, or if the
//     store is closed or badly configured;
//   - [store.Stored] otherwise. Other records may be dropped for it.
func (s *Store) Store(_ context.Context, key string, r store.Record) (store.Verdict, error) {
	if err := s.accept(r); err != nil {
		return store.Refused, err
	}
	return s.put(s.newItem(key, r))
}

// StoreCopy keeps a copy of another backend's record, for memory in front of that: Store, but that the record is evicted by
// names in place of its tags, and gone after first if that is positive and sooner than its TTL.
func (s *Store) StoreCopy(key string, r store.Record, names []string, first time.Duration) (store.Verdict, error) {
	if err := s.accept(r); err != nil {
		return store.Refused, err
	}
	it := s.newItemNamed(key, r, names)
	if first > 0 {
		it.idle.Store(s.deadline(first))
	}
	return s.put(it)
}

func (s *Store) put(it *item) (store.Verdict, error) {
	if err := s.fits(it); err != nil {
		return store.Refused, err
	}
	return s.keep(it, it.home.put(it))
}

// accept reports why a record may not be kept, whatever else is there.
func (s *Store) accept(r store.Record) error {
	switch {
	case s.off.Load():
		return s.refusal()
	case r.Fence.Epoch == [16]byte{}:
		return errNoFence
	case r.TTL <= 0:
		return fmt.Errorf("memstore: TTL is %v: it must be positive", r.TTL)
	case r.Sliding < 0:
		return fmt.Errorf("memstore: Sliding is %v: it must not be negative", r.Sliding)
	}
	return nil
}

func (s *Store) fits(it *item) error {
	if it.cost > s.budget {
		return fmt.Errorf("memstore: the record weighs %d bytes, all records together may weigh %d: raise MaxBytes",
			it.cost, s.budget)
	}
	return nil
}

// keep finishes what put has begun.
func (s *Store) keep(it *item, v store.Verdict) (store.Verdict, error) {
	switch v {
	case store.Stored:
		s.makeRoom(it)
	case store.Fenced:
		s.fenced.Add(1)
	default:
		return v, s.refusal()
	}
	return v, nil
}

// Replace implements [store.Replacer]: what is under key and what carries one of tags is forgotten, fills under way
// included, and r is kept instead unless somebody else has evicted since its fence. Verdicts are those of Store. The
// evictions never fail, so the error is nil but for a store that is closed or badly configured.
func (s *Store) Replace(_ context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	err := s.accept(r)
	if s.off.Load() {
		return store.Refused, err
	}
	var it *item
	if err == nil {
		it = s.newItem(key, r)
		err = s.fits(it)
	}
	sums := make([]uint64, 1, 1+len(tags))
	sums[0] = s.keySum(key)
	for _, tag := range tags {
		sums = append(sums, s.fences.sum(tag))
	}
	s.evictions.Add(1)
	if err != nil {
		s.note(s.fences.evict(sums))
		s.find(key)
		return store.Refused, nil //nolint:nilerr // what it evicts, it has evicted
	}
	verdict, dropped := it.home.replace(it, sums)
	s.note(dropped)
	if verdict == store.Fenced {
		s.find(key) // it is not fresh: this frees its memory now
	}
	return s.keep(it, verdict)
}

// Delete forgets keys, fills under way included. Every record carries its own key as a tag, under another seed than
// the tags', so this is an eviction. It always returns nil.
func (s *Store) Delete(_ context.Context, keys ...string) error {
	if len(keys) == 0 || s.off.Load() {
		return nil
	}
	s.evict(keys, s.keySum)
	for _, key := range keys {
		s.find(key) // it is not fresh: this frees its memory now
	}
	return nil
}

// Evict forgets what carries one of tags, fills under way included. Its cost is that of writing down the tags, however
// many records carry them: those are dropped when somebody meets them. It always returns nil.
func (s *Store) Evict(_ context.Context, tags ...string) error {
	if len(tags) == 0 || s.off.Load() {
		return nil
	}
	s.evict(tags, s.fences.sum)
	return nil
}

func (s *Store) evict(names []string, sum func(string) uint64) {
	var few [16]uint64
	sums := few[:0]
	for _, name := range names {
		sums = append(sums, sum(name))
	}
	s.evictions.Add(1)
	s.note(s.fences.evict(sums))
}

// note has the sweeper pass soon if a part of the fence table was dropped.
func (s *Store) note(dropped bool) {
	if !dropped {
		return
	}
	select {
	case s.full <- struct{}{}:
	default: // the sweeper knows
	}
}

// Check returns the error in the configuration with which the store was made, if any.
func (s *Store) Check() error { return s.fault }

// Tier returns "memory".
func (s *Store) Tier() string { return "memory" }

// Close ends the sweeper, waits for it, and gives the memory back. Afterwards every look-up is a miss without a fence,
// Store refuses, and Evict and Delete have nothing left to forget. It always returns nil; a second call waits for the
// first one and does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.off.Store(true)
		close(s.stop)
		<-s.stopped
		for i := range s.shards {
			s.shards[i].empty()
		}
	})
	return nil
}

// refusal says why a store that is off is off.
func (s *Store) refusal() error {
	if s.fault != nil {
		return s.fault
	}
	return errClosed
}

// now returns the time since New in nanoseconds, by the monotonic clock.
func (s *Store) now() int64 { return int64(time.Since(s.base)) }

// deadline returns when ttl from now is over.
func (s *Store) deadline(ttl time.Duration) int64 {
	now := s.now()
	if int64(ttl) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(ttl)
}

// keySum returns the hash of key: it chooses the shard, and it is the tag that the key stands for.
func (s *Store) keySum(key string) uint64 { return maphash.String(s.seed, key) }

func (s *Store) shard(sum uint64) *shard { return &s.shards[int(sum)&s.mask] }
