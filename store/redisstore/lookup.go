package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

// Look-ups that come at the same time travel together: while the trips that may be under way are, the others gather,
// and the next trip takes them along. Nobody waits for company that is not ready to go. Each caller leaves when its own
// time is over, and the trip goes on without it.

const (
	batchKeys  = 128 // keys of a trip, unless one look-up alone has more
	scriptKeys = 64  // keys of one run of the script, during which the server does nothing else
)

// batches gathers look-ups.
type batches struct {
	mu      sync.Mutex
	queue   []*ticket
	running int
}

// ticket is a look-up that travels. found and err are written before done is closed.
type ticket struct {
	keys  []string
	ctx   context.Context //nolint:containedctx // to leave behind who has left
	done  chan struct{}
	found []store.Found
	err   error
}

// maxTrips is how many trips of look-ups may be under way at once: no more than there are connections, for a trip that
// waits for one would take along only who was there when it began to wait, and time out with them.
func maxTrips(client redis.UniversalClient) int {
	return min(max(2*runtime.GOMAXPROCS(0), 4), 16, connections(client))
}

// connections returns how many connections a client may have to a server.
func connections(client redis.UniversalClient) int {
	n := 0
	switch c := client.(type) {
	case *redis.Client:
		n = c.Options().PoolSize
	case *redis.ClusterClient:
		n = c.Options().PoolSize
	}
	if n <= 0 {
		return math.MaxInt // it is not known
	}
	return n
}

// Lookup returns what is under keys, in their order, and the fence for a fill of each that begins now, in one trip to
// each node. What is damaged or of another type is a miss; of a value only Config.Keys finds a byte that has changed (pages and
// [store.GetOrSet] values know it by themselves, a page's body excepted). An error says that there was no answer in time, or
// what client or server said instead of one; so does a server that is a replica, which is for a while what was the master
// before a failover. With a server that is not good enough for another reason (see [Grade]) everything is a miss without a
// fence.
func (s *Store) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	if s.refusal() != nil || len(keys) == 0 {
		return make([]store.Found, len(keys)), nil
	}
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > s.config.LookupTimeout { // a breaker has set one as near
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.LookupTimeout)
		defer cancel()
	}
	found, err := s.lookup(ctx, keys)
	switch {
	case err == nil:
	case errors.Is(err, errClosed):
		return make([]store.Found, len(keys)), nil
	case ctx.Err() != nil:
		s.counts.late.Add(1)
	default:
		s.counts.failed.Add(1)
	}
	return found, err
}

// PromptLookup implements [store.Prompt]: whoever looks up leaves the trip to itself when its time is over.
func (s *Store) PromptLookup() bool { return true }

func (s *Store) lookup(ctx context.Context, keys []string) ([]store.Found, error) {
	known, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	if known.grade < s.config.Grade {
		if known.replica() {
			return nil, known.refusal(s.config.Grade)
		}
		return make([]store.Found, len(keys)), nil
	}
	t := &ticket{keys: keys, ctx: ctx, done: make(chan struct{})}
	if !s.board(t) {
		return nil, errClosed
	}
	select {
	case <-t.done:
		return t.found, t.err
	case <-ctx.Done():
		return nil, late(ctx)
	}
}

// board puts t into the queue, and begins a trip if another one may be under way. It reports false after Close.
func (s *Store) board(t *ticket) bool {
	b := &s.batches
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running < s.maxTrips {
		if !s.begin() {
			return false
		}
		b.running++
		go s.travel()
	}
	b.queue = append(b.queue, t)
	return true
}

// travel makes trips until nobody waits for one.
func (s *Store) travel() {
	defer s.work.Done()
	for {
		runtime.Gosched() // whoever is about to ask boards first; on an idle machine nobody is
		tickets := s.batches.next()
		if tickets == nil {
			return
		}
		s.carry(tickets)
	}
}

// next takes the next tickets out of the queue. If there is none it returns nil, and the trip counts as ended.
func (b *batches) next() []*ticket {
	b.mu.Lock()
	defer b.mu.Unlock()
	var taken []*ticket
	keys, n := 0, 0
	for _, t := range b.queue {
		if t.ctx.Err() == nil {
			if len(taken) > 0 && keys+len(t.keys) > batchKeys {
				break
			}
			taken, keys = append(taken, t), keys+len(t.keys)
		}
		n++
	}
	rest := copy(b.queue, b.queue[n:])
	clear(b.queue[rest:])
	b.queue = b.queue[:rest]
	if taken == nil {
		b.running--
	}
	return taken
}

// carry makes one trip for all tickets. A key that several ask for is asked for once: all of them were there before.
func (s *Store) carry(tickets []*ticket) {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.LookupTimeout)
	defer cancel()
	s.counts.trips.Add(1)
	found, err := s.fetch(ctx, tickets)
	for _, t := range tickets {
		if err != nil {
			t.err = err
		} else {
			t.found = make([]store.Found, len(t.keys))
			for i, key := range t.keys {
				f := found[key]
				t.found[i] = f.Found
				if t.err = f.err; t.err != nil {
					t.found = nil
					break
				}
			}
		}
		close(t.done)
	}
}

// fetched is the answer for one key.
type fetched struct {
	store.Found

	err error
}

// fetch looks up the keys of all tickets.
func (s *Store) fetch(ctx context.Context, tickets []*ticket) (map[string]fetched, error) {
	known, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[string]fetched)
	open := make(map[int]*group) // by shard, the one that is not full
	var groups []*group
	var calls []*call
	for _, t := range tickets {
		for _, key := range t.keys {
			if _, ok := found[key]; ok {
				continue
			}
			found[key] = fetched{}
			at := s.locate(key)
			g := open[at.shard]
			if g == nil || len(g.keys) == scriptKeys {
				g = &group{call: s.newCall(known.scripts().lookup, at.shard)}
				g.args = append(g.args, s.config.MaxRecord)
				open[at.shard] = g
				groups, calls = append(groups, g), append(calls, g.call)
			}
			g.keys = append(g.keys, key)
			g.call.keys, g.gets = append(g.call.keys, at.name), append(g.gets, at.name)
		}
	}
	s.send(ctx, calls)
	for _, g := range groups {
		s.unpack(g, found)
	}
	return found, nil
}

// group is one run of the script, and the keys it is for.
type group struct {
	*call

	keys []string
}

// unpack reads the reply for one group.
func (s *Store) unpack(g *group, found map[string]fetched) {
	reply, _, err := g.answer(s.layout)
	fence, ok := fenceOf(reply)
	if err == nil && (!ok || len(reply) != 3+3*len(g.keys)) {
		err = errReply
	}
	if err != nil {
		s.suspect(err)
		err = fmt.Errorf("redisstore: look up: %w", err)
	}
	if err == nil {
		s.leases.noted(g.call.keys[0], fence.Epoch)
	}
	for i, key := range g.keys {
		f := fetched{err: err}
		if err == nil {
			f.Fence = fence
			f.Record, f.Left = s.record(key, g, i, reply[3+3*i:])
		}
		found[key] = f
	}
}

// What the script says of a record.
const (
	stateNone    = 0
	stateFresh   = 1
	stateEvicted = 2
	stateDamaged = 3
)

// record returns the record for the i-th key of a group, if it is fresh and whole. A record is fresh if its head is,
// so whatever begins with the head that was judged may be taken, even if it came there since.
func (s *Store) record(key string, g *group, i int, said []any) (*store.Record, time.Duration) {
	state, _ := said[0].(int64)
	head, _ := said[1].(string)
	left, _ := said[2].(int64)
	switch state {
	case stateNone:
		s.counts.misses.Add(1)
		return nil, 0
	case stateFresh:
	case stateEvicted:
		s.counts.stale.Add(1)
		s.counts.misses.Add(1)
		return nil, 0
	default:
		s.counts.damaged.Add(1)
		s.counts.misses.Add(1)
		return nil, 0
	}
	body, err := g.bodies[i].Bytes()
	if err != nil || left <= 0 || !bytes.HasPrefix(body, []byte(head)) {
		s.counts.raced.Add(1)
		s.counts.misses.Add(1)
		return nil, 0
	}
	record, err := s.decode(body, body[:len(head)], key)
	if err != nil {
		s.counts.damaged.Add(1)
		s.counts.misses.Add(1)
		return nil, 0
	}
	s.counts.hits.Add(1)
	if left > record.TTL.Milliseconds() {
		return record, record.TTL // in whole milliseconds it is up to one longer
	}
	return record, time.Duration(left) * time.Millisecond
}
