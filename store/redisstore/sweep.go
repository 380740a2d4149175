package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// sweeping frees the memory of records that were evicted, or cannot be read. Unlike a look-up it prolongs nothing.
const sweeping = `
local swept = 0
for i = 3, #KEYS do
  local h = redis.pcall('GETRANGE', KEYS[i], 0, 767)
  local kept = h == ''
  if type(h) == 'string' and not kept then
    local tick, _, at = began(h)
    if at then
      local e, slide, tags = parse(h, at, KEYS[i])
      kept = e and fresh(e, tonumber(tick), tags)
    end
  end
  if not kept then
    redis.call('UNLINK', KEYS[i])
    swept = swept + 1
  end
end
return {1, epoch, clock, swept}
`

// scanCount is how many keys a step of the scan looks at: it bounds for how long the server does nothing else.
const scanCount = 512

// Sweep implements [store.Sweeper]: it goes through all records of the namespace and frees those that were evicted. Until
// then, or until somebody asks for them, their bytes stay at the server for as long as their TTL. It uses SCAN, in steps
// with the server's other work between them, and takes as long as ctx allows; it is not for a request's way.
//
// Copies that the server itself has made, in a log, a snapshot or at a replica, follow at its own pace.
func (s *Store) Sweep(ctx context.Context) error {
	if err := s.refusal(); err != nil {
		return err
	}
	if !s.begin() {
		return errClosed
	}
	defer s.work.Done()
	known, err := s.writer(ctx)
	if err == nil {
		err = s.eachNode(ctx, func(ctx context.Context, node redis.Cmdable) error {
			return s.sweepNode(ctx, node, known.scripts().sweep)
		})
	}
	if err != nil {
		return fmt.Errorf("redisstore: sweep: %w", err)
	}
	return nil
}

// eachNode calls f for each server that has records.
func (s *Store) eachNode(ctx context.Context, f func(context.Context, redis.Cmdable) error) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return f(ctx, node) })
	}
	return f(ctx, s.client)
}

func (s *Store) sweepNode(ctx context.Context, node redis.Cmdable, sweep *script) error {
	shards := make(map[string]int, len(s.places))
	for i := range s.places {
		shards[s.places[i].entries] = i
	}
	cursor := uint64(0)
	for {
		names, next, err := node.Scan(ctx, cursor, "{"+s.config.Namespace+":*}:k:*", scanCount).Result()
		if err != nil {
			return err
		}
		if err := s.sweepNames(ctx, names, shards, sweep); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
		if s.closed.Load() {
			return errClosed
		}
	}
}

// sweepNames judges records, by shard, so many at a time as a look-up does.
func (s *Store) sweepNames(ctx context.Context, names []string, shards map[string]int, sweep *script) error {
	byShard := make(map[int]*call)
	var calls []*call
	for _, name := range names {
		end := strings.Index(name, "}:k:")
		shard, ours := shards[name[:end+len("}:k:")]]
		if !ours {
			continue // of a layout with more shards
		}
		c := byShard[shard]
		if c == nil || len(c.keys) == 2+scriptKeys {
			c = s.newCall(sweep, shard)
			byShard[shard] = c
			calls = append(calls, c)
		}
		c.keys = append(c.keys, name)
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.EvictTimeout)
	defer cancel()
	s.send(ctx, calls)
	var errs []error
	for _, c := range calls {
		reply, _, err := c.answer(s.layout)
		if err != nil {
			s.suspect(err)
			errs = append(errs, err)
			continue
		}
		if len(reply) == 4 {
			swept, _ := reply[3].(int64)
			s.counts.swept.Add(uint64(max(swept, 0)))
		}
	}
	return errors.Join(errs...)
}
