package output_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
)

// Pages that are read one after the other into the same place leave the headers alone that earlier ones have given to answers,
// whatever their fields, and leave nothing of themselves for the next.
func TestAPlaceIsNoAnswersMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`X-[A-Z]`), rapid.SampledFrom([]string{"Date", "Etag", "Vary", "Link", "Cache-Control"}))
		value := rapid.OneOf(rapid.StringMatching(`[a-z]{0,3}`),
			rapid.SampledFrom([]string{"Thu, 01 Jan 1970 00:00:01 GMT", `W/"0123456789abcdef0123456789abcdef"`, "gzip"}))
		place := new(output.Place)
		var want, got []http.Header
		for i := range rapid.IntRange(1, 5).Draw(rt, "pages") {
			header := http.Header{}
			for _, name := range rapid.SliceOfN(name, 0, 12).Draw(rt, "names") {
				header[name] = rapid.SliceOfN(value, 0, 3).Draw(rt, "values")
			}
			status := rapid.SampledFrom([]int{http.StatusOK, http.StatusNotFound, http.StatusNoContent}).Draw(rt, "status")
			page := output.NewWire("key", status, time.Second, header, fmt.Append(nil, "page ", i))
			if status == http.StatusOK && rapid.Bool().Draw(rt, "packed") {
				page = output.NewPackedWire("key", header, fmt.Append(nil, "page ", i), []byte("zip"))
			}
			entry := page.Encode()
			kept, err := output.Decode(entry, "key")
			if err != nil {
				rt.Fatal(err)
			}
			if err := place.Decode(entry, "key"); err != nil {
				rt.Fatal(err)
			}
			place.Share()
			if !kept.Same(place.Wire()) {
				rt.Errorf("page %d is another one in the place", i)
			}
			want, got = append(want, header), append(got, place.Header())
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Errorf("-want +got\n%s", d)
		}
	})
}
