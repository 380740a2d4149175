package redisstore_test

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// A mistake in the configuration is found at the start, without asking the server.
func ExampleNew() {
	rdb := redis.NewUniversalClient(redisstore.Options("127.0.0.1:6379"))
	defer func() { _ = rdb.Close() }()
	backend := redisstore.New(rdb, redisstore.Config{Namespace: "my shop"})
	entries := store.New(backend, store.Config{Namespace: "my shop"})
	defer func() { _ = entries.Close() }()
	fmt.Println(entries.Check())
	// Output:
	// redisstore: Config.Namespace is "my shop": use up to 64 letters, digits, "-", "_" and "."
}

func ExampleParseURL() {
	options, err := redisstore.ParseURL("rediss://app:secret@cache.example:6380/2")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(options.Addrs, options.Username, options.DB, options.ReadTimeout)
	// Output:
	// [cache.example:6380] app 2 150ms
}
