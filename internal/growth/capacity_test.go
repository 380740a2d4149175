package growth_test

import (
	"fmt"
	"testing"
	"time"
)

// capacity writes down what follows from the other figures, each as if nothing else was to be done.
func capacity(t *testing.T, _ plan, b *book) {
	t.Helper()
	f := b.figures
	for _, name := range []string{
		"hit", "hit any", "evict", "page bytes", "redis record", "redis tag", "redis hit", "redis miss", "redis store", "redis eviction", "redis poll",
	} {
		if f[name] <= 0 {
			t.Fatalf("%s was not measured: %v", name, f[name])
		}
	}
	const share = 0.95 // of a budget is for pages, see store/memstore/cost.go
	out := b.open("capacity-instance", "one instance", "")
	out.row("hits of one page, a second of one core, in process", number(1e9/f["hit"]))
	out.row("hits of any of the pages, a second of one core, in process", number(1e9/f["hit any"]))
	out.row("evictions a second of one core", number(1e9/f["evict"]))
	out.row("pages of 1 KiB with three tags in the default budget of 64 MiB", number((64<<20)*share/f["page bytes"]))
	out.row("the same in 1 GiB", number((1<<30)*share/f["page bytes"]))

	out = b.open("capacity-redis", "masters", "shards", "hits a second", "fills a second", "evictions a second",
		"records of 1 KiB with three tags, in 4 GiB a master", "instances with memory in front, if they do nothing but poll")
	for _, masters := range []float64{1, 3, 6, 12} {
		shards := map[float64]float64{1: 1, 3: 16, 6: 24, 12: 48}[masters] // the defaults, then four a master
		const polls = float64(time.Second) / float64(83*time.Millisecond)  // a second, of each shard
		out.row(whole(masters), whole(shards), number(masters*1e6/f["redis hit"]),
			number(masters*1e6/(f["redis miss"]+f["redis store"])), number(masters/shards*1e6/f["redis eviction"]),
			number(masters*(4<<30)/f["redis record"]), number(masters/shards*1e6/f["redis poll"]/polls))
	}

	out = b.open("capacity-tags", "MaxTags", "memory of a table", "a new tag every second", "10 a second", "100 a second", "1,000 a second")
	for _, size := range []float64{1 << 16, 1 << 20, 1 << 22} {
		reach := func(rate float64) string { return lasting(time.Duration(size * 3 / 4 / rate * 1e9)) }
		out.row(number(size), number(size*f["redis tag"]/(1<<20))+" MiB", reach(1), reach(10), reach(100), reach(1000))
	}
}

func whole(v float64) string { return count(int(v)) }

// lasting writes a time in the unit that fits.
func lasting(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
}
