package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

// A claim lies beside the record that it is about, in the same hash slot:
//
//	{namespace:shard}:l:<SHA-256 of the key>   a random token, until the lease is over
//
// It is no part of the clockwork, and nothing is judged by it.

// releasing gives a claim up, if it is still the one with this token.
var releasing = redis.NewScript(allowOOM + `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end
return 0
`)

var errLease = errors.New("redisstore: claim: the lease must be a positive number of milliseconds")

// Claim implements [store.Fleet], in one trip, for up to Config.LookupTimeout. The server ends a lease by its own clock. An
// error says that there was no answer in time, or that this store is closed, badly configured, or over a server that is
// not good enough (see [Grade]): then nothing is kept that would be worth waiting for.
func (s *Store) Claim(ctx context.Context, key string, lease time.Duration) (release func(), held bool, err error) {
	if err := s.refusal(); err != nil {
		return nil, false, err
	}
	if lease < time.Millisecond {
		return nil, false, errLease
	}
	name, token := s.claimName(key), rand.Text()
	held, err = within(ctx, s, s.claiming, s.config.LookupTimeout, func(ctx context.Context) (bool, error) {
		known, err := s.ready(ctx)
		switch {
		case err != nil:
			return false, err
		case known.grade < s.config.Grade:
			return false, known.refusal(s.config.Grade)
		}
		// If it is carried out and the answer does not arrive, the caller fills, and others wait for that: no harm.
		held, err := s.client.SetNX(ctx, name, token, lease).Result()
		if err != nil {
			s.suspect(err)
			return false, fmt.Errorf("redisstore: claim: %w", err)
		}
		return held, nil
	})
	if err != nil {
		return nil, false, err
	}
	if !held {
		s.counts.waited.Add(1)
		return nil, false, nil
	}
	s.counts.claimed.Add(1)
	return func() { s.release(name, token) }, true, nil
}

// claimName returns the key of a claim at the server.
func (s *Store) claimName(key string) string {
	at := s.locate(key)
	return s.places[at.shard].claims + at.name[len(at.name)-2*keySum:]
}

// release gives a claim up in the background. If that fails, or too many are about to, the lease ends by itself.
func (s *Store) release(name, token string) {
	select {
	case s.claiming.places <- struct{}{}:
	default:
		return
	}
	if !s.begin() {
		s.claiming.leave()
		return
	}
	go func() {
		defer s.work.Done()
		defer s.claiming.leave()
		ctx, cancel := context.WithTimeout(context.Background(), s.config.StoreTimeout)
		defer cancel()
		if n, err := releasing.Run(ctx, s.client, []string{name}, token).Int(); err == nil && n == 0 {
			s.counts.overran.Add(1)
		}
	}()
}

var _ store.Fleet = (*Store)(nil)
