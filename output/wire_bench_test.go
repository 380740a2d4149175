package output_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// BenchmarkDecode reads an entry of five headers, as a hit from a shared backend does: into memory that the next hit has
// again, and, shared, up to a page that is ready to be replayed, with what the answer's headers refer to. The body is a view:
// its size costs nothing.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		entry := output.NewWire("key", http.StatusOK, time.Minute, http.Header{
			"Content-Type": {"application/json"}, "Etag": {`W/"0123456789abcdef0123456789abcdef"`}, "Cache-Control": {"no-cache"},
			"Date": {"Thu, 01 Jan 1970 00:00:01 GMT"}, "X-Extra": {"a value"},
		}, bytes.Repeat([]byte("x"), size)).Encode()
		for _, shared := range []bool{false, true} {
			name := fmt.Sprintf("page/%d", size)
			if shared {
				name = fmt.Sprintf("shared/%d", size)
			}
			b.Run(name, func(b *testing.B) {
				page := new(output.Place)
				b.ReportAllocs()
				for b.Loop() {
					if err := page.Decode(entry, "key"); err != nil || len(page.Body()) != size {
						b.Fatal(err)
					}
					if shared {
						page.Share()
					}
				}
			})
		}
	}
}
