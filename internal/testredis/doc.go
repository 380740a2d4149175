// Package testredis runs a real redis-server, or valkey-server, for a test, and can stop, pause and restart it.
//
//	server := testredis.Start(t)
//	rdb := redis.NewUniversalClient(redisstore.Options(server.Addr()))
//
// It may have a replica (StartPair), one that three sentinels watch (StartSentinels), or be a cluster (StartCluster).
//
// The server is the first one on PATH, or the one that REDIS_SERVER in the environment names. It listens on a free port
// of the loopback interface, keeps nothing on disk unless it is asked to, may use 256 MiB, and ends with the test. Where
// there is none the test is skipped; with REQUIRE_REDIS=1 in the environment it fails instead.
//
// The package knows no client: it speaks the few words of the protocol that it needs itself.
package testredis
