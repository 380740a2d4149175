package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// goal is a row of the table of goals: what must hold, and what would be better still.
type goal struct {
	what, peer string
	checks     []check
}

// check compares one figure with two bounds.
type check struct {
	what          string
	got           func(r *record.Results) (float64, bool)
	atLeast       bool // else: at most
	goal, stretch float64
	unit          string
}

func (c check) holds(got, bound float64) bool {
	if c.atLeast {
		return got >= bound
	}
	return got <= bound
}

func (c check) bound(v float64) string {
	if math.IsInf(v, 0) {
		return "–"
	}
	sign := "≤"
	if c.atLeast {
		sign = "≥"
	}
	return fmt.Sprintf("%s %s%s", sign, trim(v), c.unit)
}

func trim(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// none is the bound of what is only stretched for.
var none = math.Inf(1)

// judge computes what a row shows.
func (g goal) judge(r *record.Results) (goals, stretches, got, verdict string) {
	met, stretched, unknown, bound := true, true, false, false
	var parts [3][]string
	for _, c := range g.checks {
		v, ok := c.got(r)
		bound = bound || c.goal != none
		parts[0] = append(parts[0], strings.TrimSpace(c.what+" "+c.bound(c.goal)))
		parts[1] = append(parts[1], c.bound(c.stretch))
		if !ok {
			unknown = true
			parts[2] = append(parts[2], "not measured")
			continue
		}
		met, stretched = met && c.holds(v, c.goal), stretched && c.holds(v, c.stretch)
		parts[2] = append(parts[2], trim(v)+c.unit)
	}
	switch {
	case !met:
		verdict = "**not met**"
	case unknown:
		verdict = "unknown"
	case stretched && bound:
		verdict = "met, stretch too"
	case stretched:
		verdict = "stretch met"
	case !bound:
		verdict = "stretch not met"
	default:
		verdict = "met"
	}
	return strings.Join(parts[0], "; "), strings.Join(parts[1], "; "), strings.Join(parts[2], "; "), verdict
}

func goalTable(b *strings.Builder, r *record.Results) {
	b.WriteString("## The goals, and what was got\n\nMedians of the tables below; × is a ratio taken within the rounds. " +
		"The last column is computed.\n\n| what | goal | stretch | got | best peer when the goals were set | |\n|---|---|---|---|---|---|\n")
	for _, g := range goals(r.Settings.Connections) {
		goal, stretch, got, verdict := g.judge(r)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", g.what, goal, stretch, got, g.peer, verdict)
	}
	b.WriteString("\n")
}

func median1(s record.Spread) (float64, bool) { return s.Median, s.N > 0 }

func ratioOf(suite, name, who, base, metric string) func(r *record.Results) (float64, bool) {
	return func(r *record.Results) (float64, bool) { return median1(r.Ratio(suite, name, who, base, metric)) }
}

func medianOf(suite, name, who, metric string) func(r *record.Results) (float64, bool) {
	return func(r *record.Results) (float64, bool) { return median1(r.Spread(suite, name, who, metric)) }
}

// most is the highest value of all rounds: for what must never happen.
func most(suite, name, who, metric string) func(r *record.Results) (float64, bool) {
	return func(r *record.Results) (float64, bool) {
		s := r.Spread(suite, name, who, metric)
		return s.Max, s.N > 0
	}
}

// total adds a metric's medians of several targets.
func total(suite, name, metric string, whos ...string) func(r *record.Results) (float64, bool) {
	return func(r *record.Results) (sum float64, ok bool) {
		for _, who := range whos {
			v, ok := median1(r.Spread(suite, name, who, metric))
			if !ok {
				return 0, false
			}
			sum += v
		}
		return sum, true
	}
}

func hitGoal(name string) goal {
	return goal{"hit in process, full key, " + name, "gin-cache 3.8–4.1 × (URI key only); on Echo 8.2 ×", []check{
		{"bare Echo", ratioOf(record.InProcess, name, target.Ours, target.Echo, record.Nanoseconds), false, 3, 2.3, " ×"},
		{"", medianOf(record.InProcess, name, target.Ours, record.Allocs), false, 3, 2, " allocs"},
		{"", medianOf(record.InProcess, name, target.Ours, record.Bytes), false, 200, 64, " B"},
	}}
}

func sizeGoal(parallel bool) goal {
	large, small := record.Mode(record.Large, parallel), record.Mode(record.Small, parallel)
	return goal{"hit of 64 KiB against 1 KiB, " + strings.TrimPrefix(small, record.Small+", "), "0.9–1.0 ×", []check{{
		"", func(r *record.Results) (float64, bool) {
			return median1(r.Between(record.Point{Suite: record.InProcess, Case: large, Target: target.Ours},
				record.Point{Suite: record.InProcess, Case: small, Target: target.Ours}, record.Nanoseconds))
		}, false, 1.1, 1, " ×",
	}}}
}

func redisGoal(connections int, atLeast, stretch float64, peer string) goal {
	name := record.Conns(connections)
	return goal{"Redis hit with breaker, decode, 3 tags, against a naive go-redis GET, " + name, peer, []check{
		{"req/s", ratioOf(record.Redis, name, target.RedisOurs, target.RedisNaive, record.Rate), true, atLeast, stretch, " ×"},
	}}
}

func decodeGoal(name string) goal {
	return goal{"decode of a Redis entry, record and page: " + name, "1.1 µs, 22 allocs", []check{
		{"", total(record.Parts, name, record.Nanoseconds, "record", "page"), false, 200, 100, " ns"},
		{"", total(record.Parts, name, record.Allocs, "record", "page"), false, 2, 0, " allocs"},
	}}
}

func stampedeGoal(processes int, expired bool, who string, wall float64, peer string) goal {
	name := record.Crowd(processes, expired)
	once := 1.0
	if expired {
		once = none
	}
	runs := check{"runs", most(record.Stampede, name, who, record.Runs), false, once, 1, ""}
	took := check{"wall by handler", func(r *record.Results) (float64, bool) {
		s, ok := median1(r.Spread(record.Stampede, name, who, record.Wall))
		h, ok2 := median1(r.Spread(record.Stampede, name, who, record.Handler))
		return s / max(h, 1), ok && ok2
	}, false, none, wall, " ×"}
	return goal{"a crowd of cold requests: " + name, peer, []check{runs, took}}
}

func goals(connections int) []goal {
	const http = record.HTTP
	rows := []goal{
		hitGoal(record.Mode(record.Small, false)), hitGoal(record.Mode(record.Small, true)), sizeGoal(false), sizeGoal(true),
		{"HTTP hit, 1 KiB, against bare Echo", "0.89 × on Echo", []check{
			{"req/s", ratioOf(http, record.Small, target.Ours, target.Echo, record.Rate), true, 0.93, 0.97, " ×"},
			{"CPU", ratioOf(http, record.Small, target.Ours, target.Echo, record.CPU), false, 1.10, 1.05, " ×"},
		}},
		{"HTTP hit, 64 KiB, against bare Echo", "0.82 × on Echo; Varnish 1.05 ×", []check{
			{"req/s", ratioOf(http, record.Large, target.Ours, target.Echo, record.Rate), true, 1, 1.08, " ×"},
		}},
		{"HTTP hit, 1 KiB, against Varnish", "0.8–0.9 ×", []check{
			{"req/s", ratioOf(http, record.Small, target.Ours, "varnish", record.Rate), true, 0.9, 1, " ×"},
		}},
		redisGoal(connections, 1.1, 1.3, "0.72 × without tags"), redisGoal(4*connections, 1.3, 1.6, "0.78 × without tags"),
		{"tiered (lease) hit against bare Echo over HTTP", "none on Echo", []check{
			{"req/s", ratioOf(record.Redis, record.Conns(connections), target.RedisTiered, target.Echo, record.Rate), true, 0.9, 0.95, " ×"},
		}},
		decodeGoal(record.DecodeSmall), decodeGoal(record.DecodeLarge),
		{"stored size, 1 KiB body, 5 headers, 2 tags, against the body", "1.23 ×", []check{{
			"", func(r *record.Results) (float64, bool) {
				v, ok := median1(r.Spread(record.Parts, record.StoredSize, target.RedisOurs, record.Bytes))
				return v / 1024, ok
			}, false, 1.25, 1.22, " ×",
		}}},
		stampedeGoal(1, false, target.Ours, 1.3, "1"), stampedeGoal(1, true, target.Ours, 1.3, "1"),
		stampedeGoal(4, false, target.RedisOurs, 3, "4–5"), stampedeGoal(4, true, target.RedisOurs, 3, "4–5"),
		{"store reads, 1 → 2 goroutines", "single go-cache 0.86 ×", []check{
			{"", func(r *record.Results) (float64, bool) { return median1(scaling(r, "memstore")) }, true, 1.7, 1.9, " ×"},
		}},
	}
	return rows
}
