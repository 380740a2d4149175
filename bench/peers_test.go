package bench_test

import (
	"context"
	"testing"

	"github.com/Yiling-J/theine-go"
	rediscache "github.com/go-redis/cache/v9"
	"github.com/maypok86/otter/v2"
	"github.com/viccon/sturdyc"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// A getter returns the value under a key, and has it loaded if it is not there.
type getter[T any] func(ctx context.Context, key string) (T, error)

// A peer is a cache that can be asked for a T.
type peer[T any] struct {
	name string
	open func(tb testing.TB, s *source[T]) getter[T]
	// hit is the getter for one key alone, where the load is given with each call: it is made once, so that what is
	// measured is the cache and not the closure. Nil: the same as open.
	hit func(tb testing.TB, s *source[T], key string) getter[T]
}

// one returns the getter for one key.
func (p peer[T]) one(tb testing.TB, s *source[T], key string) getter[T] {
	tb.Helper()
	if p.hit == nil {
		return p.open(tb, s)
	}
	return p.hit(tb, s, key)
}

// room is for how many values the caches that count them have room: more than any benchmark keeps.
const room = 50_000

// echocache is what this repository offers. Here a value has one tag, by which it can be evicted; statistics are on,
// as always; a value that is evicted while it is loaded is not kept (the fence); the budget is in bytes.
func echocache[T any](name string, c store.Config, immutable bool) peer[T] {
	o := store.For(ttl, "products")
	o.Immutable = immutable
	open := func(tb testing.TB) *store.Store {
		tb.Helper()
		s := store.New(memstore.New(memstore.Config{}), c)
		tb.Cleanup(func() { _ = s.Close() })
		return s
	}
	return peer[T]{
		name: name,
		open: func(tb testing.TB, from *source[T]) getter[T] {
			tb.Helper()
			s := open(tb)
			return func(ctx context.Context, key string) (T, error) {
				return store.GetOrSet(ctx, s, key, o, func(ctx context.Context) (T, error) { return from.load(ctx, key) })
			}
		},
		hit: func(tb testing.TB, from *source[T], key string) getter[T] {
			tb.Helper()
			s := open(tb)
			load := func(ctx context.Context) (T, error) { return from.load(ctx, key) }
			return func(ctx context.Context, key string) (T, error) { return store.GetOrSet(ctx, s, key, o, load) }
		},
	}
}

// sturdy is sturdyc's GetOrFetch. It has what we do not: batches that are buffered, and refreshes whose time is drawn
// at random. It hands everybody the same value, so what is behind its pointers and slices is shared; it has no tags and
// no fence; its limit is a number of values.
func sturdy[T any]() peer[T] {
	open := func() *sturdyc.Client[T] { return sturdyc.New[T](room, 16, ttl, 10) }
	return peer[T]{
		name: "sturdyc",
		open: func(_ testing.TB, from *source[T]) getter[T] {
			c := open()
			return func(ctx context.Context, key string) (T, error) {
				return c.GetOrFetch(ctx, key, func(ctx context.Context) (T, error) { return from.load(ctx, key) })
			}
		},
		hit: func(_ testing.TB, from *source[T], key string) getter[T] {
			c := open()
			load := func(ctx context.Context) (T, error) { return from.load(ctx, key) }
			return func(ctx context.Context, key string) (T, error) { return c.GetOrFetch(ctx, key, load) }
		},
	}
}

// otterV2 is the Get of otter with a loader. It has keys of any comparable type, weights, and a policy that chooses well
// what to keep; a value that is invalidated or written while it is loaded is not kept. It hands everybody the same
// value, so what is behind its pointers and slices is shared; it has no tags; statistics are off unless asked for.
func otterV2[T any]() peer[T] {
	return peer[T]{name: "otter", open: func(tb testing.TB, from *source[T]) getter[T] {
		tb.Helper()
		c, err := otter.New(&otter.Options[string, T]{
			MaximumSize: room, ExpiryCalculator: otter.ExpiryWriting[string, T](ttl),
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { c.StopAllGoroutines() })
		load := otter.LoaderFunc[string, T](from.load)
		return func(ctx context.Context, key string) (T, error) { return c.Get(ctx, key, load) }
	}}
}

// theineLoading is theine's loading cache. It chooses well what to keep, and has weights. It hands everybody the same
// value, so what is behind its pointers and slices is shared; it has no tags; a shard is locked while one of its values
// is loaded, so a deletion waits for the load.
func theineLoading[T any]() peer[T] {
	return peer[T]{name: "theine", open: func(tb testing.TB, from *source[T]) getter[T] {
		tb.Helper()
		c, err := theine.NewBuilder[string, T](room).BuildWithLoader(
			func(ctx context.Context, key string) (theine.Loaded[T], error) {
				v, err := from.load(ctx, key)
				return theine.Loaded[T]{Value: v, Cost: 1, TTL: ttl}, err
			})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(c.Close)
		return c.Get
	}}
}

// redisCache is Once of go-redis/cache, over its TinyLFU in this process and without Redis. It keeps bytes and decodes
// them, by MessagePack, at every hit, so that nobody shares anything; what is long it compresses. It has no tags and no
// fence; its limit is a number of values.
func redisCache[T any]() peer[T] {
	return peer[T]{name: "go-redis/cache", open: func(_ testing.TB, from *source[T]) getter[T] {
		c := rediscache.New(&rediscache.Options{LocalCache: rediscache.NewTinyLFU(room, ttl)})
		return func(ctx context.Context, key string) (v T, err error) {
			err = c.Once(&rediscache.Item{Ctx: ctx, Key: key, Value: &v, TTL: ttl,
				Do: func(item *rediscache.Item) (any, error) { return from.load(item.Context(), item.Key) }})
			return v, err
		}
	}}
}

// messagePack is go-redis/cache's codec for ours, so that both copy in the same way.
type messagePack struct{}

func (messagePack) Marshal(v any) ([]byte, error) { return msgpack.Marshal(v) }

func (messagePack) Unmarshal(data []byte, v any) error { return msgpack.Unmarshal(data, v) }

// others are the caches of other modules.
func others[T any]() []peer[T] {
	return []peer[T]{otterV2[T](), theineLoading[T](), sturdy[T](), redisCache[T]()}
}

// ofPlain are all caches, for values that can be copied by assignment.
func ofPlain() []peer[plain] {
	return append([]peer[plain]{echocache[plain]("echocache", store.Config{}, false)}, others[plain]()...)
}

// ofShared are all caches, for values that cannot: ours as it shares them and as it copies them.
func ofShared() []peer[shared] {
	return append([]peer[shared]{
		echocache[shared]("echocache Immutable", store.Config{}, true),
		echocache[shared]("echocache JSON", store.Config{}, false),
		echocache[shared]("echocache MessagePack", store.Config{Codec: messagePack{}}, false),
	}, others[shared]()...)
}
