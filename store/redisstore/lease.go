package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

// A process that keeps records in its own memory (see package tiered) asks for news of evictions, and so holds a lease: it
// answers from memory as long as its last question is not older than that. The server remembers beside the clock who asked
// and up to which tick the asker had carried out what it was told:
//
//	r:<holder>   <tick>:<number of the question>:<lease in milliseconds>
//
// An eviction reads that in its own trip, and then waits until every holder has asked again with its tick or a later one,
// or until the lease of one that does not is over, and a tenth more. A new epoch has forgotten who asked. Leases from
// before it may still run, so an eviction also waits until this process has known the epoch for as long as that.

// leaseMargin is how much longer than a lease an eviction waits: clocks need not run at exactly the same rate.
func leaseMargin(lease time.Duration) time.Duration { return lease + lease/10 }

var errUnacknowledged = errors.New("redisstore: evict: it is carried out, but processes that may have it in memory have not " +
	"acknowledged it in time")

// leases is what this store knows of who holds leases.
type leases struct {
	questions sync.Map // of epochs: clock's key → epochKnown

	mu     sync.Mutex
	number uint64
	hints  map[int]func()
	next   int
}

type epochKnown struct {
	epoch [16]byte
	since time.Time
}

// noted remembers since when this process has known the epoch of a clock, and returns that.
func (l *leases) noted(clock string, epoch [16]byte) time.Time {
	if k, ok := l.questions.Load(clock); ok {
		if k := k.(epochKnown); k.epoch == epoch { //nolint:errcheck // nothing else is stored
			return k.since
		}
	}
	now := time.Now()
	l.questions.Store(clock, epochKnown{epoch, now})
	return now
}

// hint tells the processes' own pollers that there is news.
func (l *leases) hint() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.hints {
		f()
	}
}

// Place implements [store.Feed]: the shard of a record, and the digests of its key and tags.
func (s *Store) Place(key string, tags []string) (part int, names []string) {
	if s.fault != nil {
		return 0, nil
	}
	at := s.locate(key)
	names = make([]string, 1, 2+len(tags))
	names[0] = at.self()
	for _, tag := range tags {
		names = append(names, s.tagDigest(tag))
	}
	return at.shard, names
}

// Poll implements [store.Feed], in one trip to each node.
func (s *Store) Poll(ctx context.Context, holder string, lease time.Duration, seen []store.Fence) ([]store.News, error) {
	if err := s.refusal(); err != nil {
		return nil, err
	}
	known, err := s.ready(ctx)
	switch {
	case err != nil:
		return nil, err
	case known.grade < s.config.Grade:
		return nil, known.refusal(s.config.Grade)
	case lease > s.config.Lease:
		return nil, fmt.Errorf("redisstore: Config.Lease is %s: set it to the longest lease of all processes, %s or more",
			s.config.Lease, lease)
	}
	s.leases.mu.Lock()
	s.leases.number++
	number := s.leases.number
	s.leases.mu.Unlock()
	calls := make([]*call, len(s.places))
	for i := range calls {
		c := s.newCall(known.scripts().poll, i)
		epoch, tick := "-", uint64(0)
		if i < len(seen) {
			epoch, tick = string(seen[i].Epoch[:]), seen[i].Tick
		}
		c.args = append(c.args, epoch, strconv.FormatUint(tick, 10), holder,
			strconv.FormatUint(number, 10)+":"+strconv.FormatInt(milliseconds(lease), 10))
		calls[i] = c
	}
	s.send(ctx, calls)
	news := make([]store.News, len(calls))
	for i, c := range calls {
		reply, _, err := c.answer(s.layout)
		fence, ok := fenceOf(reply)
		if err == nil && (!ok || len(reply) < 4) {
			err = errReply
		}
		if err != nil {
			s.suspect(err)
			return nil, fmt.Errorf("redisstore: poll: %w", err)
		}
		s.leases.noted(c.keys[0], fence.Epoch)
		lost, _ := reply[3].(int64)
		news[i] = store.News{Fence: fence, Lost: lost != 0}
		for _, name := range reply[4:] {
			if name, ok := name.(string); ok {
				news[i].Names = append(news[i].Names, name)
			}
		}
	}
	return news, nil
}

// Hints implements [store.Feed]. Hints come over a subscription, and directly from this store's own evictions.
func (s *Store) Hints(ctx context.Context, f func()) {
	if s.refusal() != nil {
		return
	}
	l := &s.leases
	l.mu.Lock()
	if l.hints == nil {
		l.hints = make(map[int]func())
	}
	id := l.next
	l.next++
	l.hints[id] = f
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.hints, id)
	}()
	channels := make([]string, len(s.places))
	for i, p := range s.places {
		channels[i] = p.clock + hintChannel
	}
	subscription := s.client.Subscribe(ctx, channels...)
	defer func() { _ = subscription.Close() }()
	messages := subscription.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-messages:
			if !ok {
				<-ctx.Done()
				return
			}
			f()
		}
	}
}

// waiting is a holder that has yet to acknowledge an eviction.
type waiting struct {
	clock, field, said string
	epoch              string // in which tick counts
	tick               uint64
	until              time.Time
}

// acknowledges reports whether what stands beside the clock, its epoch and what the holder said, says that the holder has
// carried the eviction out.
//
// WARNING: no script has judged it. After a failover it may be of an earlier epoch, of which the new master has heard last,
// and in which ticks were higher.
func (w waiting) acknowledges(values []any) bool {
	if len(values) != 2 || values[0] != w.epoch {
		return false
	}
	said, ok := values[1].(string)
	if !ok {
		return false
	}
	applied, _ := readHolder(said)
	return applied >= w.tick
}

// acknowledged waits until nobody's memory can answer with what calls have evicted. They have all been answered.
func (s *Store) acknowledged(ctx context.Context, calls []*call) error {
	answered := time.Now()
	s.leases.hint()
	until := answered // until when leases may run of which nothing is known
	var holders []waiting
	for _, c := range calls {
		reply, _, err := c.answer(s.layout)
		fence, ok := fenceOf(reply)
		if err != nil || !ok {
			return errReply // it was confirmed, so it has an answer
		}
		if may := s.leases.noted(c.keys[0], fence.Epoch).Add(leaseMargin(s.config.Lease)); may.After(until) {
			until = may
		}
		for i := 3; i+1 < len(reply); i += 2 {
			field, _ := reply[i].(string)
			said, _ := reply[i+1].(string)
			w := waiting{clock: c.keys[0], field: field, said: said, epoch: string(fence.Epoch[:]), tick: fence.Tick}
			if applied, lease := readHolder(said); applied < fence.Tick {
				w.until = answered.Add(leaseMargin(min(lease, s.config.Lease)))
				holders = append(holders, w)
			}
		}
	}
	holders, err := s.awaitHolders(ctx, holders)
	if err != nil {
		return err
	}
	if len(holders) > 0 {
		s.dismiss(ctx, holders)
	}
	return pause(ctx, time.Until(until))
}

// readHolder takes apart what is remembered of a holder. What cannot be read has acknowledged nothing, and holds a lease as
// long as any.
func readHolder(said string) (applied uint64, lease time.Duration) {
	lease = maxTimeout
	parts := strings.Split(said, ":")
	if len(parts) != 3 {
		return 0, lease
	}
	applied, _ = strconv.ParseUint(parts[0], 10, 64)
	if ms, err := strconv.ParseInt(parts[2], 10, 64); err == nil && ms > 0 && ms < maxTimeout.Milliseconds() {
		lease = time.Duration(ms) * time.Millisecond
	}
	return applied, lease
}

// How often the server is asked for acknowledgements: soon at first, because holders are told at once.
const (
	askFirst = time.Millisecond
	askMost  = 16 * time.Millisecond
)

// awaitHolders waits for acknowledgements, and returns the holders whose leases have run out without one.
func (s *Store) awaitHolders(ctx context.Context, open []waiting) (silent []waiting, err error) {
	for every := askFirst; len(open) > 0; every = min(2*every, askMost) {
		if err := pause(ctx, every); err != nil {
			return nil, err
		}
		now := time.Now() // before the server is asked: an acknowledgement may have come until then
		replies := make([]*redis.SliceCmd, len(open))
		all := s.lanes()
		for i, w := range open {
			pipe, err := all.to(ctx, w.clock)
			if err != nil {
				replies[i] = redis.NewSliceCmd(ctx)
				replies[i].SetErr(err)
				continue
			}
			replies[i] = pipe.HMGet(ctx, w.clock, "e", w.field)
		}
		all.send(ctx)
		left := open[:0]
		for i, w := range open {
			if values, err := replies[i].Result(); err == nil && w.acknowledges(values) {
				continue
			}
			// What it says now is not remembered: one that has asked again, and has yet to carry it out, or whose clock
			// was lost, holds a lease, and must not be dismissed.
			if now.Before(w.until) {
				left = append(left, w)
			} else {
				silent = append(silent, w)
			}
		}
		open = left
	}
	return silent, nil
}

// dismiss forgets holders that have not asked for longer than their leases, unless they have asked just now.
func (s *Store) dismiss(ctx context.Context, silent []waiting) {
	known := s.standing.Load()
	if known == nil {
		return
	}
	var calls []*call
	for _, w := range silent {
		i := slices.IndexFunc(s.places, func(p place) bool { return p.clock == w.clock })
		c := s.newCall(known.scripts().dismiss, i)
		c.args = append(c.args, w.field, w.said)
		calls = append(calls, c)
	}
	s.send(ctx, calls) // if it fails the next eviction waits once more
}

// pause waits for d, or returns an error when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUnacknowledged, ctx.Err())
	}
}
