package redisstore

import (
	"context"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

// Label is label.
func Label(key string) string { return label(key) }

// Decode is decode.
func Decode(whole, head []byte, key string) (*store.Record, error) {
	return (&Store{}).decode(whole, head, key)
}

// Encoded returns a record as it lies at the server, and its head.
func (s *Store) Encoded(key string, r store.Record) (whole, head []byte) {
	_, body, err := s.accept(key, r)
	if err != nil {
		return nil, nil
	}
	const before = "1 0 7 "
	whole = append([]byte(before), body...)
	line := 0
	for whole[line] != '\n' {
		line++
	}
	return whole, whole[:line+1+16*(len(r.Tags)+1)]
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
