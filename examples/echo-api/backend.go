package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// memoryBytes is what pages and values may occupy in each process.
const memoryBytes = 64 << 20

// namespace is what the shop's instances have in common in a Redis, whatever their releases.
const namespace = "shop"

// backend is where pages and values are kept: in this process, and, with a Redis, behind that for all instances.
type backend struct {
	store.Backend

	redis  *redisstore.Store // nil without a Redis, as the next two
	guard  *breaker.Breaker
	memory *tiered.Store
	client io.Closer
}

// newBackend makes it. Nothing is asked of Redis yet: the shop opens without it, and works while it is away.
func newBackend(c config, logger *slog.Logger) (*backend, error) {
	local := memstore.New(memstore.Config{MaxBytes: memoryBytes})
	options, err := redisOptions(c)
	if err != nil || options == nil {
		return &backend{Backend: local}, err
	}
	redis.SetLogger(redisLog{logger}) // else it writes a line for every connection that it cannot make
	client := redis.NewUniversalClient(options)
	b := &backend{client: client}
	b.redis = redisstore.New(client, redisstore.Config{Namespace: namespace, Logger: logger})
	b.guard = breaker.New(b.redis, breaker.Config{Name: "redis", Logger: logger})
	b.memory = tiered.New(local, b.guard, tiered.Config{Logger: logger})
	b.Backend = b.memory
	return b, nil
}

// redisLog is what the client of Redis has to say. The breaker says what matters of it.
type redisLog struct{ *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.DebugContext(ctx, "redis client", "said", fmt.Sprintf(format, v...))
}

// Unwrap lets the cache find what the backend can do.
func (b *backend) Unwrap() store.Backend { return b.Backend }

// Close closes the tiers, and the client that they used.
func (b *backend) Close() error {
	err := b.Backend.Close()
	if b.client != nil {
		err = errors.Join(err, b.client.Close())
	}
	return err
}

// status is what an operator wants to know of the backend.
type status struct {
	Tier    string           `json:"tier"`
	Grade   string           `json:"grade,omitempty"`   // what Redis is good for
	Breaker string           `json:"breaker,omitempty"` // closed: Redis is asked
	Journal int              `json:"journal"`           // evictions that Redis has yet to confirm
	Memory  *tiered.Info     `json:"memory,omitempty"`
	Redis   *redisstore.Info `json:"redis,omitempty"`
}

func (b *backend) status() status {
	if b.redis == nil {
		return status{Tier: "memory"}
	}
	memory, remote := b.memory.Info(), b.redis.Info()
	return status{
		Tier: "memory in front of redis", Grade: b.redis.Grade().String(), Breaker: b.guard.State().String(),
		Journal: b.guard.Pending(), Memory: &memory, Redis: &remote,
	}
}

// redisOptions returns how to reach Redis, or nil if the environment names none.
func redisOptions(c config) (*redis.UniversalOptions, error) {
	if c.RedisURL != "" {
		if c.RedisAddr != "" {
			return nil, errors.New("REDIS_URL and REDIS_ADDR are both set: use one of them")
		}
		options, err := redisstore.ParseURL(c.RedisURL)
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: %w", err)
		}
		return options, nil
	}
	if c.RedisAddr == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	options := redisstore.Options(strings.Split(c.RedisAddr, ",")...)
	options.MasterName, options.Username, options.Password = c.RedisMaster, c.RedisUsername, c.RedisPassword
	secure, err := strconv.ParseBool(cmp.Or(c.RedisTLS, "0"))
	if err != nil {
		return nil, fmt.Errorf("REDIS_TLS is %q: use 1 or 0", c.RedisTLS)
	}
	if secure {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return options, nil
}
