package soak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
)

// Designs that others have, on the same Redis. Each has a flaw that needs no fault to show.

// someFence is what designs hand out that have none, so that the fleet stores what it has filled.
var someFence = store.Fence{Epoch: [16]byte{1}}

// indexSets remembers for each tag which keys carry it, and an eviction deletes those. A fill that is under way is not
// among them.
type indexSets struct {
	wrapped

	client redis.UniversalClient
}

func (b indexSets) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found := make([]store.Found, len(keys))
	for i, key := range keys {
		found[i].Fence = someFence
		switch value, err := b.client.Get(ctx, "index:"+key).Bytes(); {
		case err == nil:
			found[i].Record, found[i].Left = &store.Record{Value: value, TTL: ttl, Fence: someFence}, ttl
		case err != redis.Nil: //nolint:errorlint // the client's own contract
			return nil, err
		}
	}
	return found, nil
}

func (b indexSets) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	pipe := b.client.TxPipeline()
	pipe.Set(ctx, "index:"+key, r.Value, r.TTL)
	for _, tag := range r.Tags {
		pipe.SAdd(ctx, "index-tag:"+tag, "index:"+key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return store.Unknown, err
	}
	return store.Stored, nil
}

func (b indexSets) Evict(ctx context.Context, tags ...string) error {
	for _, tag := range tags {
		keys, err := b.client.SMembers(ctx, "index-tag:"+tag).Result()
		if err != nil {
			return err
		}
		if err := b.client.Del(ctx, append(keys, "index-tag:"+tag)...).Err(); err != nil {
			return err
		}
	}
	return nil
}

// wallClock compares when a fill began with when a tag was evicted, each by the clock of the machine that did it.
type wallClock struct {
	indexSets

	skew time.Duration
}

// skewed are clocks as machines have them that are kept in step over a network.
const skewed = 30 * time.Millisecond

func (b wallClock) now() int64 { return time.Now().Add(b.skew).UnixNano() }

func (b wallClock) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found := make([]store.Found, len(keys))
	for i, key := range keys {
		found[i].Fence = store.Fence{Epoch: someFence.Epoch, Tick: uint64(b.now())}
		text, err := b.client.Get(ctx, "wall:"+key).Result()
		if err == redis.Nil { //nolint:errorlint // the client's own contract
			continue
		} else if err != nil {
			return nil, err
		}
		part := strings.SplitN(text, " ", 3) // when its fill began, its tag, the value
		evicted, err := b.client.Get(ctx, "wall-tag:"+part[1]).Int64()
		if err != nil && err != redis.Nil { //nolint:errorlint // the same
			return nil, err
		}
		if began, _ := strconv.ParseInt(part[0], 10, 64); began > evicted {
			found[i].Record, found[i].Left = &store.Record{Value: []byte(part[2]), TTL: ttl, Fence: found[i].Fence}, ttl
		}
	}
	return found, nil
}

func (b wallClock) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	text := fmt.Sprint(r.Fence.Tick, " ", r.Tags[len(r.Tags)-1], " ", string(r.Value))
	if err := b.client.Set(ctx, "wall:"+key, text, r.TTL).Err(); err != nil {
		return store.Unknown, err
	}
	return store.Stored, nil
}

func (b wallClock) Evict(ctx context.Context, tags ...string) error {
	for _, tag := range tags {
		if err := b.client.Set(ctx, "wall-tag:"+tag, b.now(), 0).Err(); err != nil {
			return err
		}
	}
	return nil
}

// direct returns a client of the server that ends with the test.
func (w *world) direct(server *testredis.Server) redis.UniversalClient {
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{server.Addr()}, MaxRetries: -1})
	w.clients = append(w.clients, client)
	return client
}

// unsealed shares fills as everybody does who has a map of calls: whoever comes before a call is over takes part in it,
// also when its record has been judged already.
type unsealed struct {
	mu    sync.Mutex
	calls map[string]*sharedFill
}

type sharedFill struct {
	done    chan struct{}
	version int64
	err     error
}

// leaderDelay is how long a leader is held up between the verdict and its leave.
const leaderDelay = 10 * time.Millisecond

func (u *unsealed) get(b store.Backend, key string, tags []string, load func() int64) (int64, error) {
	u.mu.Lock()
	if c := u.calls[key]; c != nil {
		u.mu.Unlock()
		<-c.done
		return c.version, c.err
	}
	c := &sharedFill{done: make(chan struct{})}
	if u.calls == nil {
		u.calls = map[string]*sharedFill{}
	}
	u.calls[key] = c
	u.mu.Unlock()
	c.version, c.err = u.fill(b, key, tags, load)
	time.Sleep(rand.N(leaderDelay))
	u.mu.Lock()
	delete(u.calls, key)
	u.mu.Unlock()
	close(c.done)
	return c.version, c.err
}

// fill looks up and loads until a record is found or stored: its fences are as they should be.
func (*unsealed) fill(b store.Backend, key string, tags []string, load func() int64) (int64, error) {
	for {
		found, err := b.Lookup(context.Background(), key)
		if err != nil {
			return 0, err
		}
		if found[0].Record != nil {
			return parse(found[0].Record), nil
		}
		version := load()
		verdict, err := b.Store(context.Background(), key, store.Record{
			Value: strconv.AppendInt(nil, version, 10), Tags: tags, TTL: ttl, Fence: found[0].Fence,
		})
		if verdict == store.Stored || err != nil {
			return version, err
		}
	}
}
