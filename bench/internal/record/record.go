// Package record holds what a run of the comparison has measured, as plain data, and the arithmetic on it: medians, the
// middle half, and ratios that are taken within a round. It measures nothing and writes no document.
package record

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// The suites, by which samples are told apart.
const (
	InProcess = "in process" // a hit without a network
	HTTP      = "http"       // wrk, closed loop
	Paced     = "paced"      // a fixed rate, open loop
	Redis     = "redis"      // wrk, the entry in Redis
	Values    = "values"     // GetOrSet and its peers
	Parts     = "parts"      // decoding, stored sizes, reads of a store
	Stampede  = "stampede"   // many requests at once for a page that is not there
)

// The metrics of a sample.
const (
	Nanoseconds = "ns"           // per operation
	Bytes       = "B"            // allocated per operation; in Parts also a stored size
	Allocs      = "allocs"       // per operation
	Rate        = "req/s"        // answers per second
	CPU         = "cpu µs"       // of the server, per request
	RedisCPU    = "redis cpu µs" // of redis-server, per request
	P50         = "p50 µs"
	P99         = "p99 µs"
	Late        = "late µs" // by how much the pacer itself was late, at the median
	Runs        = "runs"    // of the handler
	Wall        = "wall ms" // until the last answer
	Handler     = "handler ms"
	Errors      = "errors" // requests without the right answer
)

// Sample is what one target did in one round of one case.
type Sample struct {
	Suite  string             `json:"suite"`
	Case   string             `json:"case"`
	Target string             `json:"target"`
	Round  int                `json:"round"`
	Values map[string]float64 `json:"values"`
}

// Machine is where a run took place. It names no host.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Memory  string `json:"memory"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	LoadAvg string `json:"load_average"` // when it began
}

// Settings are what a run was asked for.
type Settings struct {
	Command     string  `json:"command"`
	Date        string  `json:"date"`
	Rounds      int     `json:"rounds"`
	Seconds     float64 `json:"seconds"` // of load a target, a round
	PacedRate   int     `json:"paced_rate"`
	Connections int     `json:"connections"`
	Crowd       int     `json:"crowd"` // requests of a stampede
	HandlerMS   int     `json:"handler_ms"`
}

// Version is what was compared: a module or a program.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Results is a whole run.
type Results struct {
	Machine  Machine   `json:"machine"`
	Settings Settings  `json:"settings"`
	Versions []Version `json:"versions"`
	Notices  []string  `json:"notices"` // what could not be measured here, and why
	Samples  []Sample  `json:"samples"`
}

// Read loads a run from a file.
func Read(name string) (*Results, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r := new(Results)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("record: %s: %w", name, err)
	}
	return r, nil
}

// Write keeps a run in a file.
func (r *Results) Write(name string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := os.WriteFile(name, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Add keeps one sample.
func (r *Results) Add(suite, name, target string, round int, values map[string]float64) {
	r.Samples = append(r.Samples, Sample{Suite: suite, Case: name, Target: target, Round: round, Values: values})
}

// Notice keeps a sentence about what is missing.
func (r *Results) Notice(format string, args ...any) {
	r.Notices = append(r.Notices, fmt.Sprintf(format, args...))
}

// Targets returns the names of all targets of a case, in the order in which they were first seen.
func (r *Results) Targets(suite, name string) []string {
	var targets []string
	for _, s := range r.Samples {
		if s.Suite == suite && s.Case == name && !slices.Contains(targets, s.Target) {
			targets = append(targets, s.Target)
		}
	}
	return targets
}

// of returns a target's values of one metric by round.
func (r *Results) of(suite, name, target, metric string) map[int]float64 {
	values := map[int]float64{}
	for _, s := range r.Samples {
		if v, ok := s.Values[metric]; ok && s.Suite == suite && s.Case == name && s.Target == target {
			values[s.Round] = v
		}
	}
	return values
}

// Spread returns how a target's values of one metric lie over the rounds.
func (r *Results) Spread(suite, name, target, metric string) Spread {
	var all []float64
	for _, v := range r.of(suite, name, target, metric) {
		all = append(all, v)
	}
	return Over(all)
}

// Ratio returns how a target's metric compares with the base's. Each ratio is taken within a round; a round that lacks
// one of the two, or in which the base is 0, counts for nothing.
func (r *Results) Ratio(suite, name, target, base, metric string) Spread {
	return r.Between(Point{suite, name, target}, Point{suite, name, base}, metric)
}

// Point names the samples of one target in one case.
type Point struct{ Suite, Case, Target string }

// Between is Ratio for two cases that were measured in the same rounds.
func (r *Results) Between(over, under Point, metric string) Spread {
	bases := r.of(under.Suite, under.Case, under.Target, metric)
	var ratios []float64
	for round, v := range r.of(over.Suite, over.Case, over.Target, metric) {
		if b := bases[round]; b != 0 {
			ratios = append(ratios, v/b)
		}
	}
	return Over(ratios)
}

// The names of cases. Those of HTTP and Paced are the sizes; those of InProcess a size and a mode.
const (
	Small    = "1 KiB"
	Large    = "64 KiB"
	Serial   = "serial"
	Parallel = "parallel"
)

// Mode names a case of InProcess.
func Mode(size string, parallel bool) string {
	if parallel {
		return size + ", " + Parallel
	}
	return size + ", " + Serial
}

// Conns names a case of Redis.
func Conns(connections int) string { return fmt.Sprintf("%d connections", connections) }

// Crowd names a case of Stampede.
func Crowd(processes int, expired bool) string {
	name := map[int]string{1: "one process", 4: "four processes on one Redis"}[processes]
	if expired {
		return name + ", at expiry"
	}
	return name + ", cold"
}

// The cases of Parts.
const (
	DecodeSmall = "decode, 1 KiB"
	DecodeLarge = "decode, 64 KiB"
	StoredSize  = "stored size"
	OneReader   = "reads, 1 goroutine"
	TwoReaders  = "reads, 2 goroutines"
)
