package growth_test

import (
	"flag"
	"path/filepath"
	"testing"
	"time"
)

// document is the file whose tables are written, from the root of the module. Without it everything is small, and quick.
var document = flag.String("growth", "", "measure at full size, and write the tables into this file")

// plan says how much is measured, and for how long.
type plan struct {
	rounds   int
	slice    time.Duration // of each of the two in a round
	pages    []int         // how many a cache holds, the first for reference; likewise below
	variants []int
	records  []int // that carry one tag
	known    []int // tags that were evicted before
	waiters  []int
	heap     int   // bytes that the pages of a measurement of memory have together
	live     []int // pages, while the collector is looked at
	requests int   // meanwhile
	stored   int   // records in Redis whose memory is measured
	table    []int // tags in Redis's table
	strict   bool  // the curves that have to be flat are held to it
}

var full = plan{
	rounds: 31, slice: 4 * time.Millisecond,
	pages: []int{1_000, 10_000, 100_000, 1_000_000, 2_000_000}, variants: []int{1, 10, 100, 1_000, 10_000},
	records: []int{10, 1_000, 100_000, 1_000_000}, known: []int{10, 1_000, 100_000, 1_000_000},
	waiters: []int{1, 10, 100, 1_000, 2_000}, heap: 64 << 20, live: []int{0, 10_000, 100_000, 1_000_000},
	requests: 4_000_000, stored: 5_000, table: []int{0, 1_000, 10_000, 60_000}, strict: true,
}

var quick = plan{
	rounds: 3, slice: 200 * time.Microsecond, pages: []int{10, 1_000}, variants: []int{1, 10}, records: []int{10, 1_000},
	known: []int{10, 1_000}, waiters: []int{1, 20}, heap: 256 << 10, live: []int{0, 1_000}, requests: 2_000,
	stored: 50, table: []int{0, 100},
}

// TestGrowth is not parallel, nor are its parts: they take turns with nothing but their own reference.
func TestGrowth(t *testing.T) {
	p, path := quick, ""
	if *document != "" {
		p, path = full, filepath.Join("..", "..", *document)
	}
	if path == "" {
		path = copied(t, filepath.Join("..", "..", "docs", "SCALING.md"))
	}
	b := &book{figures: map[string]float64{}}
	for _, part := range []struct {
		name    string
		measure func(*testing.T, plan, *book)
	}{
		{"pages", hitByPages},
		{"variants", hitByVariants},
		{"tags", hitByTags},
		{"evictions", evictByRecords},
		{"evicted tags", evictByTags},
		{"waiters", fillByWaiters},
		{"memory", memoryByPage},
		{"the collector", collectorByPages},
		{"memory in Redis", redisMemory},
		{"evictions in Redis", redisEvictions},
		{"trips to Redis", redisTrips},
		{"capacity", capacity},
	} {
		began := time.Now()
		if !t.Run(part.name, func(t *testing.T) { part.measure(t, p, b) }) {
			return
		}
		t.Logf("%s: %.1f s", part.name, time.Since(began).Seconds())
		if err := b.write(path); err != nil { // at once: what comes may take an hour, or fail
			t.Fatal(err)
		}
	}
	b.machine()
	if err := b.write(path); err != nil {
		t.Fatal(err)
	}
	for _, table := range b.tables {
		t.Logf("%s\n%s", table.name, table)
	}
	if err := b.complete(path); err != nil {
		t.Error(err)
	}
}
