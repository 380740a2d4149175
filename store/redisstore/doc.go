// Package redisstore keeps records in Redis or Valkey, version 7 or later, shared by all instances of an application:
// one node, Sentinel or Cluster, through redis/go-redis.
//
//	rdb := redis.NewUniversalClient(redisstore.Options("127.0.0.1:6379"))
//	backend := redisstore.New(rdb, redisstore.Config{Namespace: "shop"})
//	defer rdb.Close()
//	defer backend.Close()
//	found, _ := backend.Lookup(ctx, "product:7") // a miss, with the fence for the fill that begins now
//	backend.Store(ctx, "product:7", store.Record{
//		Value: []byte("seven"), Tags: []string{"catalog"}, TTL: time.Minute, Fence: found[0].Fence,
//	})
//	backend.Evict(ctx, "catalog") // forgotten at every instance, and fills under way with it
//
// # How an eviction wins
//
// A namespace has one or more shards. Each has a logical clock and a table that says at which tick which tag was
// evicted last; a record lies beside them, in the same hash slot, with the tick at which its fill began. A script
// compares the two at every look-up and at every store, so an eviction costs the same whatever carries the tag, and
// nothing has to be found and deleted. The life of a clock has a random name, its epoch. If the clock or its table is
// lost, or if another server carries on with what may be an older copy of them, a new epoch begins, and what was stored
// before it is not served again. No wall clock is involved but for what expires.
//
// How much that promise is worth depends on the server: see [Grade].
//
// # Where things are
//
//	{namespace:shard}:m                       the clock and its epoch, a hash
//	{namespace:shard}:z                       the tags evicted last, a sorted set of at most Config.MaxTags
//	{namespace:shard}:k:<what>:<sha-256>      a record, a string that expires; what is a route or an entity
//
// Scripts are sent by name and loaded where they are missing. An access list needs the commands evalsha, eval, get,
// set, getrange, strlen, pttl, pexpire, unlink, hget, hgetall, hmget, hset, hdel, hincrby, zadd, zcard, zmscore, zrange,
// zrangebyscore, zremrangebyscore, publish, subscribe, time and info, for keys and channels that begin with "{namespace:";
// scan for Sweep, wait for SplitBrainHold; config|get lets it say more.
//
// The package does not close the client that it is given, and it does not keep anything in this process.
package redisstore
