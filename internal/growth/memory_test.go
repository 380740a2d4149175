package growth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

func memoryByPage(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("memory", "body", "query", "tags", "heap of a page", "besides body and query", "what the store counts, of the heap")
	for _, row := range []struct{ body, query, tags int }{
		{16, 0, 0}, {128, 0, 0}, {1 << 10, 0, 0}, {1 << 10, 0, 3}, {1 << 10, 0, 16}, {1 << 10, 256, 3}, {1 << 10, 1 << 10, 3}, {4 << 10, 0, 3},
		{16 << 10, 0, 3}, {64 << 10, 0, 3},
	} {
		tags := make([]string, row.tags)
		for i := range tags {
			tags[i] = fmt.Sprintf("tag%d:{id}", i)
		}
		n := max(4, min(p.heap/(row.body+row.query+512), 50_000))
		before := heap()
		s := newSite(t, output.For(time.Hour).Tag(tags...), row.body)
		base := heap()
		empty := s.memory.Stats().Bytes
		v := s.visitor()
		v.r.URL.RawQuery = "q="[:min(2, row.query)] + strings.Repeat("x", max(0, row.query-2))
		for range 2 { // the second time finds it, and leaves its decoded form beside it
			for i := range n {
				v.get(pagePath(i))
			}
		}
		each := (heap() - base) / float64(n)
		counted := float64(s.memory.Stats().Bytes-empty) / float64(n)
		s.filled(n)
		s.close()
		if base < before {
			t.Logf("the heap shrank by %.0f bytes for an empty cache", before-base)
		}
		out.row(bytes(row.body), bytes(row.query), count(row.tags), number(each), number(each-float64(row.body+row.query)),
			times(counted/each))
		if row.body == 1<<10 && row.query == 0 && row.tags == 3 {
			b.figures["page bytes"] = each
		}
	}
}

// bytes writes a size as people do.
func bytes(n int) string {
	if n >= 1<<10 {
		return count(n>>10) + " KiB"
	}
	return count(n) + " B"
}
