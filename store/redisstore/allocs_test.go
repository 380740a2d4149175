//go:build !race

package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// TestDecodeAllocates asserts exactly what a record costs that comes from the server, whatever the size of its value: the
// record, and a list of its tags if they are many. Their text and the value are parts of what came. `make exact` runs it.
func TestDecodeAllocates(t *testing.T) {
	s := unconnected(t)
	for _, size := range []int{1 << 10, 64 << 10} {
		for tags, want := range map[int]float64{0: 1, 3: 1, 5: 1, 6: 2} {
			r := store.Record{Value: make([]byte, size), TTL: time.Hour, Fence: store.Fence{Epoch: [16]byte{1}, Tick: 7}}
			for i := range tags {
				r.Tags = append(r.Tags, fmt.Sprint("tag:", i))
			}
			whole, head := s.Encoded("key", r)
			got := testing.AllocsPerRun(200, func() {
				back, err := redisstore.Decode(whole, head, "key")
				if err != nil || len(back.Value) != size || len(back.Tags) != tags || &back.Value[0] != &whole[len(whole)-4-size] {
					t.Fatal(back, err)
				}
			})
			if got != want {
				t.Errorf("%d bytes, %d tags: %v allocations, want %v", size, tags, got, want)
			}
		}
	}
}
