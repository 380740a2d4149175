package output_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// BenchmarkDecode reads a page with five headers, as a hit from a shared backend does. The body is a view: its size
// costs nothing.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("page/%d", size), func(b *testing.B) {
			entry := output.NewWire("key", http.StatusOK, time.Minute, http.Header{
				"Content-Type": {"application/json"}, "Etag": {`W/"abc"`}, "Cache-Control": {"no-cache"},
				"Vary": {"Accept-Language"}, "X-Extra": {"a value"},
			}, bytes.Repeat([]byte("x"), size)).Encode()
			b.ReportAllocs()
			for b.Loop() {
				if page, err := output.Decode(entry, "key"); err != nil || len(page.Body()) != size {
					b.Fatal(err)
				}
			}
		})
	}
}
