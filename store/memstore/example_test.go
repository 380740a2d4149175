package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// A fill that began before an eviction does not come back after it.
func Example() {
	ctx := context.Background()
	backend := memstore.New(memstore.Config{MaxBytes: 64 << 20})
	defer backend.Close()

	found, _ := backend.Lookup(ctx, "product:7") // a miss: compute the value
	record := store.Record{
		Value: []byte("seven"), Tags: []string{"catalog"}, TTL: time.Minute, Fence: found[0].Fence,
	}
	_ = backend.Evict(ctx, "catalog") // meanwhile somebody writes
	verdict, _ := backend.Store(ctx, "product:7", record)
	fmt.Println(verdict)

	found, _ = backend.Lookup(ctx, "product:7") // so look up again, and compute it again
	record.Fence = found[0].Fence
	verdict, _ = backend.Store(ctx, "product:7", record)
	fmt.Println(verdict)
	// Output:
	// fenced
	// stored
}
