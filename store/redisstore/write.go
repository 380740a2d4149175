package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

var errNoFence = errors.New("redisstore: the fence has no epoch: take it from a look-up before the value is computed")

// Store keeps r under key for its TTL, in whole milliseconds. The verdict is
//
//   - [store.Fenced] if one of r's tags, or key, was evicted since r's fence, or if that cannot be told: the clock was
//     lost meanwhile, or the fence is older than what the table of evicted tags remembers;
//   - [store.Refused] with an error if r has no fence, no TTL, more than [store.MaxTags] tags or more than
//     Config.MaxRecord bytes, if the server has no memory left or is not good enough (see [Grade]), if more are under way
//     than there are connections, or if the store is closed or badly configured;
//   - [store.Unknown] with an error if no answer came in time: r may be kept, or may yet be;
//   - [store.Stored] otherwise.
func (s *Store) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	at, body, err := s.accept(key, r)
	if err != nil {
		return store.Refused, err
	}
	verdict, err := within(ctx, s, s.writing, s.config.StoreTimeout, func(ctx context.Context) (store.Verdict, error) {
		known, err := s.ready(ctx)
		switch {
		case err != nil:
			return store.Unknown, err
		case known.grade < s.config.Grade:
			return store.Refused, known.refusal(s.config.Grade)
		}
		c := s.newCall(known.scripts().store, at.shard)
		c.keys = append(c.keys, at.name)
		c.args = append(c.args, strconv.FormatUint(r.Fence.Tick, 10), milliseconds(r.TTL), body)
		s.send(ctx, []*call{c})
		return s.verdict(c)
	})
	if errors.Is(err, errClosed) || errors.Is(err, errNoPlace) {
		verdict = store.Refused
	}
	s.counts.judged(verdict)
	return verdict, err
}

// accept returns where a record goes and how it looks there, if it may be kept unless it is fenced.
func (s *Store) accept(key string, r store.Record) (entry, []byte, error) {
	err := s.refusal()
	switch {
	case err != nil:
		return entry{}, nil, err
	case r.Fence.Epoch == [16]byte{}:
		return entry{}, nil, errNoFence
	case r.TTL <= 0:
		return entry{}, nil, fmt.Errorf("redisstore: TTL is %v: it must be positive", r.TTL)
	case r.Sliding < 0:
		return entry{}, nil, fmt.Errorf("redisstore: Sliding is %v: it must not be negative", r.Sliding)
	case len(r.Tags) > store.MaxTags:
		return entry{}, nil, fmt.Errorf("redisstore: the record has %d tags, more than %d", len(r.Tags), store.MaxTags)
	}
	at := s.locate(key)
	body, err := s.encode(key, r)
	return at, body, err
}

// verdict reads what a script that keeps a record says.
func (s *Store) verdict(c *call) (store.Verdict, error) {
	_, status, err := c.answer(s.layout)
	switch {
	case err == nil && status == statusOK:
		return store.Stored, nil
	case err == nil:
		return store.Fenced, nil
	case redis.IsOOMError(err):
		s.counts.outOfMemory.Add(1)
		return store.Refused, fmt.Errorf("redisstore: %w", err)
	case s.suspect(err):
		return store.Refused, fmt.Errorf("redisstore: store: %w", err)
	default:
		return store.Unknown, fmt.Errorf("redisstore: store: %w", err)
	}
}

// Delete forgets keys, fills under way included. Every record carries its own key as a tag, so this is an eviction, on
// the shards of the keys. Nil means confirmed by all of them.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return s.refusal()
	}
	if err := s.refusal(); err != nil {
		return err
	}
	evicted := make(map[int]*eviction)
	for _, key := range keys {
		at := s.locate(key)
		e := evicted[at.shard]
		if e == nil {
			e = &eviction{shard: at.shard}
			evicted[at.shard] = e
		}
		e.tags, e.names = append(e.tags, at.self()), append(e.names, at.name)
	}
	list := make([]*eviction, 0, len(evicted))
	for _, e := range evicted {
		list = append(list, e)
	}
	return s.confirm(ctx, list)
}

// Evict forgets what carries one of tags, fills under way included: on all shards, in one trip. Nil means confirmed by
// all of them. On an error some may have forgotten and others not; to evict again does no harm.
func (s *Store) Evict(ctx context.Context, tags ...string) error {
	if err := s.refusal(); err != nil || len(tags) == 0 {
		return err
	}
	return s.confirm(ctx, s.everywhere(tags))
}

// EvictAll forgets everything in the namespace, fills under way included, in one trip. Nil means confirmed by all shards.
func (s *Store) EvictAll(ctx context.Context) error {
	if err := s.refusal(); err != nil {
		return err
	}
	_, err := within(ctx, s, s.evicting, s.config.EvictTimeout, func(ctx context.Context) (struct{}, error) {
		known, err := s.writer(ctx)
		if err != nil {
			return struct{}{}, err
		}
		calls := make([]*call, len(s.places))
		for i := range calls {
			calls[i] = s.newCall(known.scripts().evictAll, i)
		}
		s.sendEvictions(ctx, known, calls)
		return struct{}{}, s.confirmed(ctx, calls)
	})
	s.counts.evicted(err)
	return err
}

// eviction is what one shard has to forget.
type eviction struct {
	shard int
	tags  []string // as the table knows them
	names []string // records whose memory can be freed at once
}

// everywhere returns the evictions of tags, one a shard.
func (s *Store) everywhere(tags []string) []*eviction {
	digests := make([]string, len(tags))
	for i, tag := range tags {
		digests[i] = s.tagDigest(tag)
	}
	list := make([]*eviction, len(s.places))
	for i := range list {
		list[i] = &eviction{shard: i, tags: digests}
	}
	return list
}

// confirm carries evictions out.
func (s *Store) confirm(ctx context.Context, list []*eviction) error {
	_, err := within(ctx, s, s.evicting, s.config.EvictTimeout, func(ctx context.Context) (struct{}, error) {
		known, err := s.writer(ctx)
		if err != nil {
			return struct{}{}, err
		}
		calls := make([]*call, len(list))
		for i, e := range list {
			calls[i] = s.evictCall(known.scripts(), e)
		}
		s.sendEvictions(ctx, known, calls)
		return struct{}{}, s.confirmed(ctx, calls)
	})
	s.counts.evicted(err)
	return err
}

// writer returns what is known of the server, if evictions may be sent there. They may to one that is not good enough:
// others may think better of it.
func (s *Store) writer(ctx context.Context) (*standing, error) {
	known, err := s.ready(ctx)
	if err == nil && s.silent(known) {
		err = known.refusal(s.config.Grade)
	}
	return known, err
}

func (s *Store) evictCall(set *scripts, e *eviction) *call {
	c := s.newCall(set.evict, e.shard)
	c.keys = append(c.keys, e.names...)
	c.args = append(c.args, s.config.MaxTags)
	for _, tag := range e.tags {
		c.args = append(c.args, tag)
	}
	return c
}

// confirmed returns why the first of calls that failed did. If none did, it waits until nobody's memory can answer with
// what they have evicted; see [leases].
func (s *Store) confirmed(ctx context.Context, calls []*call) error {
	var first error
	failed := 0
	for _, c := range calls {
		if _, _, err := c.answer(s.layout); err != nil {
			s.suspect(err)
			if failed++; first == nil {
				first = err
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("redisstore: evict: %d of %d shards did not confirm: %w", failed, len(calls), first)
	}
	if err := s.acknowledged(ctx, calls); err != nil {
		return err
	}
	return s.held(calls)
}

// Replace implements [store.Replacer]: what is under key and what carries one of tags is forgotten on all shards, fills
// under way included, and r is kept instead unless somebody else has evicted since its fence. Verdicts are those of
// Store. The error is about the evictions: nil means confirmed, whatever the verdict.
func (s *Store) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	if err := s.refusal(); err != nil {
		return store.Refused, err
	}
	at, body, fault := s.accept(key, r)
	if body == nil {
		at = s.locate(key)
	}
	verdict, err := within(ctx, s, s.evicting, s.config.EvictTimeout, func(ctx context.Context) (store.Verdict, error) {
		known, err := s.writer(ctx)
		if err != nil {
			return store.Unknown, err
		}
		list := s.everywhere(tags)
		own := list[at.shard]
		own.tags = append([]string{at.self()}, own.tags...)
		own.names = []string{at.name}
		if fault != nil || known.grade < s.config.Grade {
			return store.Refused, s.evictAll(ctx, known, list, tags)
		}
		return s.replace(ctx, known, list, own, tags, r, body)
	})
	s.counts.judged(verdict)
	s.counts.evicted(err)
	return verdict, err
}

// replace sends the record and what it evicts to its shard and the evictions to the others, in one trip.
func (s *Store) replace(
	ctx context.Context, known *standing, list []*eviction, own *eviction, tags []string, r store.Record, body []byte,
) (store.Verdict, error) {
	c := s.newCall(known.scripts().replace, own.shard)
	c.keys = append(c.keys, own.names...)
	c.args = append(c.args, strconv.FormatUint(r.Fence.Tick, 10), milliseconds(r.TTL), body, s.config.MaxTags)
	for _, tag := range own.tags {
		c.args = append(c.args, tag)
	}
	calls := []*call{c}
	if len(tags) > 0 {
		for _, e := range list {
			if e != own {
				calls = append(calls, s.evictCall(known.scripts(), e))
			}
		}
	}
	s.sendEvictions(ctx, known, calls)
	verdict, err := s.verdict(c)
	if err != nil && redis.IsOOMError(err) {
		// The server has no room for the record. It has room to forget.
		forget := s.evictCall(known.scripts(), own)
		s.sendEvictions(ctx, known, []*call{forget})
		calls[0] = forget
	}
	return verdict, s.confirmed(ctx, calls)
}

// evictAll carries out only the evictions of a Replace.
func (s *Store) evictAll(ctx context.Context, known *standing, list []*eviction, tags []string) error {
	var calls []*call
	for _, e := range list {
		if len(tags) > 0 || len(e.names) > 0 {
			calls = append(calls, s.evictCall(known.scripts(), e))
		}
	}
	s.sendEvictions(ctx, known, calls)
	return s.confirmed(ctx, calls)
}
