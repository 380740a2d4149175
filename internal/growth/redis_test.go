package growth_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// shelf is a store in a Redis of its own.
type shelf struct {
	*redisstore.Store
	t      *testing.T
	server *testredis.Server
	fence  store.Fence
	name   string // of the record that clones copies
}

// newShelf runs a server and returns a store in it. What is measured is not how patient the client is.
func newShelf(t *testing.T, shards int) *shelf {
	t.Helper()
	server := testredis.Start(t, "--maxmemory", "2gb")
	o := redisstore.Options(server.Addr())
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = time.Minute, time.Minute, time.Minute
	o.PoolSize = 64 // one for each of the most callers: a store that finds none free is given up soon
	client := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = client.Close() })
	s := &shelf{t: t, server: server, Store: redisstore.New(client, redisstore.Config{
		Namespace: "growth", Shards: shards, LookupTimeout: time.Minute, StoreTimeout: time.Minute, EvictTimeout: time.Minute,
	})}
	t.Cleanup(func() { _ = s.Close() })
	// The first eviction waits for leases of a process before this one, and a new epoch begins.
	if err := s.Evict(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	s.fence = s.find("none").Fence
	return s
}

func (s *shelf) find(key string) store.Found {
	s.t.Helper()
	found, err := s.Lookup(s.t.Context(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	return found[0]
}

// put stores a record of size bytes whose fill has begun now.
func (s *shelf) put(key string, size int, tags ...string) {
	r := store.Record{Value: make([]byte, size), Tags: tags, TTL: time.Hour, Fence: s.fence}
	if v, err := s.Store.Store(s.t.Context(), key, r); v != store.Stored {
		s.t.Errorf("%s: %s, %v", key, v, err)
	}
}

// told returns a number from the server's INFO.
func (s *shelf) told(section, name string) float64 {
	s.t.Helper()
	for line := range strings.Lines(s.server.Must("INFO", section)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return v
		}
	}
	s.t.Fatalf("INFO %s names no %s", section, name)
	return 0
}

func (s *shelf) memory() float64 { return s.told("memory", "used_memory") }

// cpu returns the processor time that the server has had, in microseconds.
func (s *shelf) cpu() float64 {
	return 1e6 * (s.told("cpu", "used_cpu_user") + s.told("cpu", "used_cpu_sys"))
}

// busy returns the microseconds that the server has spent in scripts.
func (s *shelf) busy() float64 {
	for line := range strings.Lines(s.server.Must("INFO", "commandstats")) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:"); ok {
			_, rest, _ = strings.Cut(rest, "usec=")
			text, _, _ := strings.Cut(rest, ",")
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// usage returns what the server says of one record.
const usage = `return redis.call('MEMORY', 'USAGE', redis.call('KEYS', '{growth:0}:k:*')[1])`

func redisMemory(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("redis-memory", "value", "tags", "memory of a record", "besides the value", "MEMORY USAGE of one")
	s := newShelf(t, 1)
	for _, row := range []struct{ size, tags int }{{128, 0}, {1 << 10, 0}, {1 << 10, 3}, {1 << 10, 16}, {16 << 10, 3}} {
		tags := make([]string, row.tags)
		n := min(p.stored, p.stored*(8<<10)/row.size)
		before := s.memory()
		for i := range n {
			for j := range tags {
				tags[j] = fmt.Sprintf("tag%d:%08d", j, i)
			}
			s.put(fmt.Sprintf("value:%d/%d/%08d", row.size, row.tags, i), row.size, tags...)
		}
		each := (s.memory() - before) / float64(n)
		one, err := strconv.ParseFloat(s.server.Must("EVAL", usage, "0"), 64)
		if err != nil {
			t.Fatal(err)
		}
		out.row(bytes(row.size), count(row.tags), number(each), number(each-float64(row.size)), number(one))
		if row.size == 1<<10 && row.tags == 3 {
			b.figures["redis record"] = each
		}
		s.server.Must("FLUSHALL")
		s.fence = s.find("none").Fence
	}
	before, n := s.memory(), 0
	for n < p.table[len(p.table)-1] {
		tags := make([]string, 100)
		for i := range tags {
			tags[i] = fmt.Sprint("product:", n+i)
		}
		if err := s.Evict(t.Context(), tags...); err != nil {
			t.Fatal(err)
		}
		n += len(tags)
	}
	out.row("an evicted tag", "", number((s.memory()-before)/float64(n)), "", "")
	b.figures["redis tag"] = (s.memory() - before) / float64(n)
}

// clones makes n records of one. They lie under names of their own and carry its tags.
func (s *shelf) clones(from, to int) {
	s.t.Helper()
	const clone = `local v = redis.call('GET', KEYS[1])
		for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do redis.call('SET', KEYS[1] .. i, v, 'PX', 3600000) end`
	if s.name == "" { // while there is no other
		s.name = s.server.Must("EVAL", `return redis.call('KEYS', '{growth:0}:k:*')[1]`, "0")
	}
	const batch = 2_000 // so that a busy server answers in time
	for i := from; i < to; i += batch {
		s.server.Must("EVAL", clone, "1", s.name, strconv.Itoa(i), strconv.Itoa(min(i+batch, to)))
	}
}

func redisEvictions(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("redis-evict-records", "records that carry the tag", "the server's time", "the eviction, trip and all", "×")
	few, s := newShelf(t, 1), newShelf(t, 1)
	few.put("value:1", 64, "all")
	reference := evictions(t, few.Store, []string{"all"})
	for _, n := range p.records {
		s.fence = s.find("none").Fence
		s.put("value:1", 64, "all")
		s.clones(1, n)
		if s.find("value:1").Record == nil {
			t.Fatal("what was stored is not there")
		}
		if keys := s.server.Must("DBSIZE"); keys != strconv.Itoa(n+2) { // clock and table
			t.Fatalf("the server has %s keys, want %d", keys, n+2)
		}
		out.row(append([]string{count(n)}, p.inRedis(t, s, reference, [][]string{{"all"}}, func(c cost, busy float64) {
			p.flat(t, fmt.Sprintf("an eviction of %d records in Redis", n), c.ratio)
			b.figures["redis evict script"] = busy
		})...)...)
		if s.find("value:1").Record != nil {
			t.Fatal("what was evicted is there")
		}
	}

	out = b.open("redis-evict-table", "tags in the table", "the server's time", "the eviction, trip and all", "×")
	s = newShelf(t, 1)
	known := [][]string{{"first"}}
	for _, n := range p.table {
		for len(known) < n {
			known = append(known, []string{fmt.Sprint("product:", len(known))})
		}
		for i := 0; i < n; i += 1_000 {
			var tags []string
			for _, tag := range known[i:min(i+1_000, n)] {
				tags = append(tags, tag...)
			}
			if err := s.Evict(t.Context(), tags...); err != nil {
				t.Fatal(err)
			}
		}
		out.row(append([]string{count(n)}, p.inRedis(t, s, reference, known, nil)...)...)
	}

	out = b.open("redis-evict-tags", "tags in one eviction", "the server's time", "the eviction, trip and all", "×")
	for _, n := range []int{1, 4, 16, 64} {
		out.row(append([]string{count(n)}, p.inRedis(t, s, reference, [][]string{many(n)}, nil)...)...)
	}

	out = b.open("redis-evict-shards", "shards", "the server's time", "the eviction, trip and all", "×")
	for _, n := range []int{1, 4, 16, 64} {
		out.row(append([]string{count(n)}, p.inRedis(t, newShelf(t, n), reference, [][]string{{"all"}}, nil)...)...)
	}
}

func many(n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprint("tag:", i)
	}
	return tags
}

// inRedis measures evictions, and returns the cells of a row.
func (p plan) inRedis(
	t *testing.T, s *shelf, reference func(int), tags [][]string, see func(c cost, busy float64),
) []string {
	t.Helper()
	var calls atomic.Int64
	do := evictions(t, s.Store, tags...)
	before := s.busy()
	c := p.compare(func(n int) { calls.Add(int64(n)); do(n) }, reference)
	busy := 1e3 * (s.busy() - before) / float64(calls.Load())
	if see != nil {
		see(c, busy)
	}
	return []string{ns(busy), ns(c.each), times(c.ratio)}
}

// redisTrips measures what the server has to do for each kind of trip: alone, and when many come at once and travel
// together.
func redisTrips(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("redis-trips", "what", "callers", "a second here", "processor time of the server, each", "a second of its one thread")
	s := newShelf(t, 1)
	const keys = 1_000
	var seen []store.Fence
	tags := []string{"catalog", "brand:kestrel", "product:7"}
	for i := range keys {
		s.put(fmt.Sprint("value:", i), 1<<10, tags...)
	}
	for _, op := range []struct {
		name string
		do   func(ctx context.Context, i int) error
	}{
		{"hit", func(ctx context.Context, i int) error {
			found, err := s.Lookup(ctx, fmt.Sprint("value:", i%keys))
			if err == nil && (found[0].Record == nil || len(found[0].Record.Value) != 1<<10) {
				err = errors.New("no hit")
			}
			return err
		}},
		{"miss", func(ctx context.Context, i int) error {
			found, err := s.Lookup(ctx, fmt.Sprint("none:", i))
			if err == nil && found[0].Record != nil {
				err = errors.New("no miss")
			}
			return err
		}},
		{"store", func(ctx context.Context, i int) error {
			r := store.Record{Value: make([]byte, 1<<10), Tags: tags, TTL: time.Hour, Fence: s.fence}
			v, err := s.Store.Store(ctx, fmt.Sprint("value:", i%keys), r)
			if err == nil && v != store.Stored {
				err = fmt.Errorf("not stored: %s", v)
			}
			return err
		}},
		{"eviction", func(ctx context.Context, i int) error { return s.Evict(ctx, fmt.Sprint("other:", i%keys)) }},
		{"poll", func(ctx context.Context, i int) error { // the last: from now on evictions wait for the holders
			_, err := s.Poll(ctx, fmt.Sprint("holder", i%64), 250*time.Millisecond, seen)
			return err
		}},
	} {
		if op.name == "poll" {
			news, err := s.Poll(t.Context(), "", 250*time.Millisecond, nil)
			if err != nil {
				t.Fatal(err)
			}
			seen = []store.Fence{news[0].Fence}
		}
		for _, callers := range []int{1, 64} {
			rate, cpu := s.drive(p, callers, op.name, op.do)
			out.row(op.name, count(callers), number(rate), ns(cpu*1e3), number(1e6/cpu))
			b.figures["redis "+op.name] = cpu
		}
	}
}

// drive has callers call do for a while, and returns the calls a second, and the microseconds that the server took for each.
func (s *shelf) drive(
	p plan, callers int, name string, do func(ctx context.Context, i int) error,
) (rate, cpu float64) {
	var calls atomic.Int64
	length := time.Duration(p.rounds) * p.slice * 16
	before, began := s.cpu(), time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Since(began) < length {
				i := int(calls.Add(1))
				if err := do(s.t.Context(), i); err != nil {
					s.t.Errorf("%s %d: %v", name, i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	n := float64(calls.Load())
	return n / time.Since(began).Seconds(), (s.cpu() - before) / n
}
