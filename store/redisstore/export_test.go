package redisstore

import (
	"bytes"
	"context"
	"strconv"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

// Label is label.
func Label(key string) string { return label(key) }

// Decode is decode.
func Decode(whole, head []byte, key string) (*store.Record, error) {
	return unsealed.decode(whole, head, key)
}

var unsealed = &Store{}

// Encoded returns a record as it lies at the server, and its head.
func (s *Store) Encoded(key string, r store.Record) (whole, head []byte) {
	_, body, err := s.accept(key, r)
	if err != nil {
		return nil, nil
	}
	before := "27 "
	if r.Sliding > 0 {
		before = "37 60000 "
	}
	whole = append([]byte(before), body...)
	from := len(before) + 16 + 1
	if r.Sliding > 0 {
		from += bytes.IndexByte(whole[from:], '\n') + 1
	}
	return whole, whole[:from+digestBytes*len(r.Tags)]
}

// Records returns how many records of the namespace the server holds.
func (s *Store) Records(ctx context.Context) int {
	var n atomic.Int64
	err := s.eachNode(ctx, func(ctx context.Context, node redis.Cmdable) error {
		names, err := node.Keys(ctx, "{"+s.config.Namespace+":*}:k:*").Result()
		n.Add(int64(len(names)))
		return err
	})
	if err != nil {
		return -1
	}
	return int(n.Load())
}

// Clone puts copies of the record under key beside it, at the server: no
// look-up finds them, since each has the key of the first one in it, but for an eviction they are records like it.
func (s *Store) Clone(ctx context.Context, key string, from, to int) error {
	const cloning = `
local whole, ttl = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do redis.call('SET', KEYS[1] .. ':' .. i, whole, 'PX', ttl) end
return 1
`
	return s.client.Eval(ctx, cloning, []string{s.locate(key).name}, from, to).Err()
}

// Fresh asks the look-up's own script how many of the clones of key with these numbers are fresh. Those that are not are
// gone afterwards.
func (s *Store) Fresh(ctx context.Context, key string, numbers ...int) (n int, err error) {
	known, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	at := s.locate(key)
	c := s.newCall(known.scripts().lookup, at.shard)
	c.args = append(c.args, s.config.MaxRecord)
	for _, number := range numbers {
		c.keys = append(c.keys, at.name+":"+strconv.Itoa(number))
	}
	s.send(ctx, []*call{c})
	reply, _, err := c.answer(s.layout)
	for i := 3; i < len(reply); i += 3 {
		if reply[i] == int64(stateFresh) {
			n++
		}
	}
	return n, err
}

// Unevict forgets that tag was ever evicted, so that what carries it is fresh again.
func (s *Store) Unevict(ctx context.Context, tag string) error {
	const unevicting = `
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 then redis.call('HINCRBY', KEYS[1], 'n', -1) end
return 1
`
	d := s.tagDigest(tag)
	for i := range s.places {
		p := &s.places[i]
		if err := s.client.Eval(ctx, unevicting, []string{p.clock, p.table}, d).Err(); err != nil {
			return err
		}
	}
	return nil
}
