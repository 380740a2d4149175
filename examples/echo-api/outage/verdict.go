package main

import (
	"fmt"
	"strings"
	"time"
)

// verdict is what came of the whole run.
type verdict struct {
	phases  []*part
	notes   []string // the first of the errors and stale answers of each phase
	skipped int      // requests that were not sent, as this machine did not keep up
}

// part is a phase as it went.
type part struct {
	name  string
	away  bool // Redis
	began time.Time

	reads, writes         []time.Duration
	errors, stale, queued int           // stale: after a write whose eviction was confirmed; queued: was not
	hit, settled          time.Duration // from its beginning on; 0: never
	noted                 int
}

const mostNotes = 5 // of one phase

func (v *verdict) note(word string, p *part, what string) {
	if p.noted++; p.noted <= mostNotes {
		v.notes = append(v.notes, fmt.Sprintf("%-6s %s +%.2f s: %s", word, p.name, time.Since(p.began).Seconds(), what))
	}
}

func (v *verdict) sum() (all part) {
	for _, p := range v.phases {
		all.reads = append(all.reads, p.reads...)
		all.writes = append(all.writes, p.writes...)
		all.errors, all.stale, all.queued = all.errors+p.errors, all.stale+p.stale, all.queued+p.queued
	}
	return all
}

// good reports whether users noticed nothing but how long it took.
func (v *verdict) good() bool {
	all := v.sum()
	return len(all.reads) > 0 && len(all.writes) > 0 && all.errors+all.stale+all.queued == 0
}

// String is the verdict as it is printed.
func (v *verdict) String() string {
	var b strings.Builder
	b.WriteString("phase     reads    p50 ms    p99 ms  writes    p99 ms  errors  stale  queued\n")
	for _, p := range v.phases {
		fmt.Fprintf(&b, "%-8s %6d %9.1f %9.1f %7d %9.1f %7d %6d %7d\n", p.name, len(p.reads), ms(p.reads, 50),
			ms(p.reads, 99), len(p.writes), ms(p.writes, 99), p.errors, p.stale, p.queued)
	}
	for _, p := range v.phases[min(1, len(v.phases)):] {
		if !p.away {
			fmt.Fprintf(&b, "%s: the first hit after %s, all breakers closed and nothing queued after %s\n",
				p.name, after(p.hit), after(p.settled))
		}
	}
	for _, n := range v.notes {
		fmt.Fprintln(&b, n)
	}
	all := v.sum()
	word := "GOOD"
	if !v.good() {
		word = "BAD"
	}
	fmt.Fprintf(&b, "%s: %d reads and %d writes were answered, %d errors; stale answers: %d after a confirmed eviction, "+
		"%d while it was queued\n", word, len(all.reads), len(all.writes), all.errors, all.stale, all.queued)
	if v.skipped > 0 {
		fmt.Fprintf(&b, "%d requests were not sent: this machine does not keep up, and what is measured is the machine\n",
			v.skipped)
	}
	return b.String()
}

func after(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

const header = "  s phase    reads memory redis  made errors stale    p50     p99 | writes     p99 | loads"

// line is what happened since the last one.
func (d *drive) line(second int, name string) string {
	loads := d.fleet.loads.Load()
	d.tally.mu.Lock()
	c, before := d.now, d.loaded
	d.now, d.loaded = counts{}, loads
	d.tally.mu.Unlock()
	return fmt.Sprintf("%3d %-8s %5d %6d %5d %5d %6d %5d %6.1f %7.1f | %6d %7.1f | %5d", second, name,
		len(c.reads), c.memory, c.redis, c.made, c.errors, c.stale, ms(c.reads, 50), ms(c.reads, 99),
		len(c.writes), ms(c.writes, 99), loads-before)
}
