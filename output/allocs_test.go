//go:build !race

package output_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// TestDecodeAllocates asserts exactly what a page costs that comes from a shared backend, whatever its size: one piece of
// memory for what the answer's headers refer to, and lists of its fields if they are many. `make exact` runs it.
func TestDecodeAllocates(t *testing.T) {
	for _, size := range []int{1 << 10, 64 << 10} {
		for names, want := range map[int]float64{0: 1, 5: 1, 6: 2, 9: 3} {
			header := http.Header{"Date": {"Thu, 01 Jan 1970 00:00:01 GMT"}, "Etag": {`W/"0123456789abcdef0123456789abcdef"`}}
			for i := range names {
				header[fmt.Sprint("X-", i)] = nil
			}
			entry := output.NewWire("key", http.StatusOK, time.Minute, header, bytes.Repeat([]byte("x"), size)).Encode()
			place := new(output.Place)
			got := testing.AllocsPerRun(200, func() {
				if err := place.Decode(entry, "key"); err != nil {
					t.Fatal(err)
				}
				place.Share()
			})
			if got != want {
				t.Errorf("%d bytes, %d names: %v allocations, want %v", size, names, got, want)
			}
		}
	}
}
