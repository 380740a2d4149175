package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// order is that of the rows: bare ones first, then ours, then the others.
var order = []string{
	target.Echo, target.EchoLength, target.Ours, target.RedisNaive, target.RedisOurs, target.RedisTiered,
	"echocache Immutable", "memstore", "otter", "theine", "sturdyc", "echocache MessagePack", "go-redis/cache", "echocache JSON",
	target.Gin, target.GinCache, target.RedisGin, target.Stampede, target.HTTPCache, target.EchoHTTP, target.Souin, "varnish", "nginx",
}

func ordered(targets []string) []string {
	sorted := slices.Clone(targets)
	at := func(who string) int {
		if i := slices.Index(order, who); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(sorted, func(a, b string) int {
		if d := at(a) - at(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return sorted
}

// label has ours stand out.
func label(who string) string {
	if strings.HasPrefix(who, "echocache") || who == "memstore" {
		return "**" + who + "**"
	}
	return who
}

func inProcess(b *strings.Builder, r *record.Results) {
	b.WriteString("## A hit in process\n\nOne request and one writer, used over and over; the writer counts what it is given and drops it. " +
		"Ratios to bare Echo, which makes the\nsame answer in its handler; below 1 is faster. `gin` is what `gin-cache` has below it. " +
		"Each round has the program's functions in\nanother order, the first in the linker's own: the order alone makes a tenth of what a hit takes, either way.\n\n")
	for _, size := range []string{record.Small, record.Large} {
		for _, parallel := range []bool{false, true} {
			name := record.Mode(size, parallel)
			fmt.Fprintf(b, "### %s\n\n", name)
			table(b, r, record.InProcess, name,
				spread("ns a hit (lowest–highest)", record.Nanoseconds), ratio("× bare Echo", target.Echo, record.Nanoseconds),
				median("B", record.Bytes), median("allocations", record.Allocs))
		}
	}
	b.WriteString(keys)
}

// keys says what the targets of a page do, since not all do the same. It is a matter of their sources, not of a run.
const keys = `What they look at to tell one page from another, and what else they do at a hit:

| | key | besides |
|---|---|---|
| **echocache** | host, route, path, chosen query, a header, the user | compares tags with the clock of evictions; Age, ETag, Cache-Status |
| gin-cache | request URI | |
| stampede, under echo.WrapMiddleware | path, and here a header; no query | its own store is not on the module proxy: here a map without a limit |
| http-cache, under echo.WrapMiddleware | URL | decodes gob, encodes and stores it anew |
| echo-http-cache | URL | the same |
| souin | method, host, path, query, and here a header | RFC 9111; its default store; its Echo plugin is not on the module proxy: here a few lines over its pkg/middleware |
| varnish, nginx | host and URL, and here a header | a process of their own, in front of an Echo |

`

func overHTTP(b *strings.Builder, r *record.Results) {
	fmt.Fprintf(b, "## Over HTTP, as fast as it answers\n\nwrk with %d connections and two threads on the same cores. CPU is the server's, "+
		"with all its processes. Bare Echo sends 64 KiB in chunks; *echo,\nlength set* is the same with a Content-Length.\n\n", r.Settings.Connections)
	for _, size := range []string{record.Small, record.Large} {
		fmt.Fprintf(b, "### %s over HTTP\n\n", size)
		table(b, r, record.HTTP, size, loaded(target.Echo)...)
	}
}

// loaded are the columns of a load by wrk.
func loaded(base string) []column {
	return []column{
		spread("requests a second", record.Rate), ratio("× "+base, base, record.Rate),
		median("CPU µs a request", record.CPU), ratio("× "+base, base, record.CPU),
		median("p50 µs", record.P50), median("p99 µs", record.P99),
	}
}

func paced(b *strings.Builder, r *record.Results) {
	fmt.Fprintf(b, "## At a fixed rate\n\n%s requests a second over %d connections, sent whether answers come or not. Latencies count from when "+
		"a request should have been sent, so\nthey hold the pacer's own lateness, too (*late*, at the median). 1 KiB.\n\n",
		number(float64(r.Settings.PacedRate)), r.Settings.Connections)
	columns := []column{
		median("p50 µs", record.P50), spread("p99 µs", record.P99), median("late µs", record.Late), median("CPU µs a request", record.CPU),
	}
	table(b, r, record.Paced, record.Small, columns...)
	b.WriteString("With Redis:\n\n")
	table(b, r, record.Paced, record.Redis, append(columns, median("CPU µs of Redis", record.RedisCPU))...)
}

func onRedis(b *strings.Builder, r *record.Results) {
	fmt.Fprintf(b, "## Hits from Redis\n\n`%s` is an Echo handler that asks Redis for the body, by a constant key, and sends it: no cache. Ours decodes, "+
		"checks three tags, and goes\nthrough the breaker; *tiered* has memory in front, by leases. Its budgets are 10 s here, not the 50 ms of the defaults: a starved machine would make "+
		"misses of\nhits. 1 KiB, a Redis on loopback.\n\n", target.RedisNaive)
	for _, connections := range []int{r.Settings.Connections, 4 * r.Settings.Connections} {
		name := record.Conns(connections)
		fmt.Fprintf(b, "### %s\n\n", name)
		table(b, r, record.Redis, name, append(loaded(target.RedisNaive), median("CPU µs of Redis", record.RedisCPU))...)
	}
}

func parts(b *strings.Builder, r *record.Results) {
	b.WriteString("## What a hit consists of\n\nA hit from Redis decodes a *record* (tags, fence, checksum; `store/redisstore`), and in it a *page* " +
		"(its fields as pairs of a\nname and values; `output`), into memory that the next request has again: the goal is for both together. *shared* is the page with what it " +
		"takes besides to\nreplay it: memory of their own for the strings that the answer's headers go on referring to, Date, ETag and Content-Length spelt. The entry has five\n" +
		"headers, Date and the cache's own ETag among them.\n\n")
	for _, name := range []string{record.DecodeSmall, record.DecodeLarge} {
		fmt.Fprintf(b, "%s:\n\n", strings.ToUpper(name[:1])+name[1:])
		table(b, r, record.Parts, name, spread("ns", record.Nanoseconds), median("B", record.Bytes), median("allocations", record.Allocs))
	}
	if s := r.Spread(record.Parts, record.StoredSize, target.RedisOurs, record.Bytes); s.N > 0 {
		fmt.Fprintf(b, "A page of 1 KiB with five headers and two tags is %s bytes in Redis, %s × its body.\n\n", number(s.Median), two(s.Median/1024))
	}
	b.WriteString("Reads of 16,384 keys from one goroutine and from two; *scaling* is how many look-ups two make in the time of one's.\n\n")
	b.WriteString("| | ns a read, one | two | scaling |\n|---|---|---|---|\n")
	for _, who := range ordered(r.Targets(record.Parts, record.OneReader)) {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", label(who), figure(r.Spread(record.Parts, record.OneReader, who, perRead), number),
			figure(r.Spread(record.Parts, record.TwoReaders, who, perRead), number), between(scaling(r, who)))
	}
	b.WriteString("\n")
}

const perRead = "ns/read"

func scaling(r *record.Results, who string) record.Spread {
	one := record.Point{Suite: record.Parts, Case: record.OneReader, Target: who}
	two := record.Point{Suite: record.Parts, Case: record.TwoReaders, Target: who}
	return r.Between(one, two, perRead)
}

func stampedes(b *strings.Builder, r *record.Results) {
	fmt.Fprintf(b, "## A stampede\n\n%s clients with open connections ask at once for one page, whose handler takes %d ms: when it is not there, and "+
		"again when it has expired. In four\nprocesses ours has `CollapseFleet`. *Runs* are those of the handler, in all processes, lowest–highest.\n\n",
		number(float64(r.Settings.Crowd)), r.Settings.HandlerMS)
	runs := column{"runs", func(r *record.Results, suite, name, who string) string {
		s := r.Spread(suite, name, who, record.Runs)
		return number(s.Min) + "–" + number(s.Max)
	}}
	for _, processes := range []int{1, 4} {
		for _, expired := range []bool{false, true} {
			name := record.Crowd(processes, expired)
			fmt.Fprintf(b, "### %s\n\n", strings.ToUpper(name[:1])+name[1:])
			table(b, r, record.Stampede, name, runs, spread("ms until the last answer", record.Wall))
		}
	}
}

func values(b *strings.Builder, r *record.Results) {
	b.WriteString(valuesIntro)
	for _, c := range []struct{ kind, title, base string }{
		{"GetOrSetHit/plain", onePlain, "echocache"},
		{"GetOrSetHit/slice", oneSlice, "echocache Immutable"},
		{"ZipfHit", manyKeys, "echocache"},
	} {
		b.WriteString(c.title)
		serial, parallel := c.kind+", "+record.Serial, c.kind+", "+record.Parallel
		table(b, r, record.Values, serial,
			median("ns, one goroutine", record.Nanoseconds), ratio("ratio", c.base, record.Nanoseconds),
			column{"ns, parallel", func(r *record.Results, suite, _, who string) string {
				return figure(r.Spread(suite, parallel, who, record.Nanoseconds), number)
			}},
			column{"ratio", func(r *record.Results, suite, _, who string) string {
				return between(r.Ratio(suite, parallel, who, c.base, record.Nanoseconds))
			}},
			median("allocations", record.Allocs), median("B", record.Bytes))
	}
	b.WriteString(valuesEnd)
}
