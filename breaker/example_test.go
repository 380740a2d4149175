package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// away is a backend that cannot be reached.
type away struct{ store.Backend }

func (away) Evict(context.Context, ...string) error { return errors.New("connection refused") }

func Example() {
	remote := breaker.New(away{memstore.New(memstore.Config{})}, breaker.Config{Name: "redis"})
	entries := store.New(remote, store.Config{Namespace: "shop"})
	ctx := context.Background()

	price := func(context.Context) (int, error) { return 12, nil }
	options := store.Options{TTL: time.Minute, Tags: []string{"product:7"}}
	_, _ = store.GetOrSet(ctx, entries, "price:7", options, price)

	// The price changes, and the backend does not hear of it: it will, and is not believed here until then.
	price = func(context.Context) (int, error) { return 13, nil }
	err := entries.Evict(ctx, "product:7")
	fmt.Println(errors.Is(err, store.ErrEvictionPending), remote.Pending())

	value, _ := store.GetOrSet(ctx, entries, "price:7", options, price)
	fmt.Println(value, remote.State())
	// Output:
	// true 1
	// 13 closed
}

func ExampleConfig_classify() {
	errQuota := errors.New("quota of this month used up")
	remote := breaker.New(memstore.New(memstore.Config{}), breaker.Config{
		Classify: func(err error) breaker.Class {
			if errors.Is(err, errQuota) {
				return breaker.Failure // also if it comes with a verdict
			}
			return breaker.Unclassified
		},
	})
	defer remote.Close()
	fmt.Println(remote.Check(), remote.State())
	// Output: <nil> closed
}
