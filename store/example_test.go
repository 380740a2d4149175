package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

type product struct {
	ID    int
	Name  string
	Sizes []string
}

// One load for everybody who asks, until the value's time is over or one of its tags is evicted.
func ExampleGetOrSet() {
	s := store.New(memstore.New(memstore.Config{}), store.Config{})
	defer s.Close()
	ctx := context.Background()

	load := func(context.Context) (product, error) {
		fmt.Println("asks the database")
		return product{7, "Kestrel", []string{"S", "L"}}, nil
	}
	for range 2 {
		p, err := store.GetOrSet(ctx, s, store.Key("product", 7), store.For(time.Hour, "product:7", "brand:hawk"), load)
		fmt.Println(p.Name, err)
	}
	_ = s.Evict(ctx, "brand:hawk")
	p, err := store.GetOrSet(ctx, s, store.Key("product", 7), store.For(time.Hour, "product:7", "brand:hawk"), load)
	fmt.Println(p.Name, err)
	// Output:
	// asks the database
	// Kestrel <nil>
	// Kestrel <nil>
	// asks the database
	// Kestrel <nil>
}

// A collection: a cached list of ids, and the items under keys of their own. Only what is not there is loaded.
func ExampleGetOrSetMany() {
	s := store.New(memstore.New(memstore.Config{}), store.Config{})
	defer s.Close()
	ctx := context.Background()
	key := func(id int) string { return store.Key("product", id) }
	load := func(ctx context.Context, ids []int) (map[int]product, error) {
		fmt.Println("asks the database for", ids)
		found := map[int]product{}
		for _, id := range ids {
			found[id] = product{ID: id, Name: fmt.Sprint("No. ", id)}
			store.Current(ctx).Of(key(id)).Tag(fmt.Sprint("product:", id)) // each its own
		}
		return found, nil
	}
	for range 2 {
		ids, err := store.GetOrSet(ctx, s, store.Key("catalog"), store.For(time.Hour, "catalog"),
			func(context.Context) ([]int, error) { return []int{7, 8, 9}, nil })
		if err != nil {
			fmt.Println(err)
			return
		}
		found, err := store.GetOrSetMany(ctx, s, ids, key, store.For(time.Hour), load)
		fmt.Println(len(found), found[8].Name, err)
		_ = s.Evict(ctx, "product:8")
	}
	// Output:
	// asks the database for [7 8 9]
	// 3 No. 8 <nil>
	// asks the database for [8]
	// 3 No. 8 <nil>
}

// The load decides what only it knows: for how long, under which tags, and whether at all.
func ExampleCurrent() {
	s := store.New(memstore.New(memstore.Config{}), store.Config{})
	defer s.Close()
	offer, err := store.GetOrSet(context.Background(), s, "offer", store.For(time.Hour),
		func(ctx context.Context) (string, error) {
			e := store.Current(ctx)
			e.Until(time.Now().Add(20 * time.Minute)) // the offer's own end
			e.Tag("brand:hawk")
			return "10 % off", nil
		})
	fmt.Println(offer, err)
	// Output: 10 % off <nil>
}

// The source is written first. If that fails, the cache stays as it was.
func ExampleWriteThrough() {
	s := store.New(memstore.New(memstore.Config{}), store.Config{})
	defer s.Close()
	ctx := context.Background()
	save := func(_ context.Context, p product) error {
		if p.Name == "" {
			return errors.New("no name")
		}
		return nil
	}
	for _, name := range []string{"Kestrel", ""} {
		err := store.WriteThrough(ctx, s, store.Key("product", 7), store.For(time.Hour, "product:7"), product{ID: 7, Name: name}, save)
		p, found, _ := store.Get[product](ctx, s, store.Key("product", 7))
		fmt.Println(err, found, p.Name)
	}
	// Output:
	// <nil> true Kestrel
	// no name true Kestrel
}

// In each part of a key what would be taken for a separator is escaped.
func ExampleKey() {
	fmt.Println(store.Key("product", 7), store.Key("file", "a:b", "c"))
	// Output: product:7 file:a%3Ab:c
}
