package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/echocache/echocache/bench/internal/proc"
	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// runner is one comparison under way.
type runner struct {
	options
	results *record.Results
	log     *log.Logger
	failed  error // of what must not fail: ours and the base
}

// suites in the order in which they run. The heaviest is last.
var suites = []struct {
	name string
	run  func(r *runner, ctx context.Context) error
}{
	{record.InProcess, (*runner).inProcess},
	{record.HTTP, (*runner).overHTTP},
	{record.Redis, (*runner).onRedis},
	{record.Values, (*runner).values},
	{record.Parts, (*runner).parts},
	{record.Stampede, (*runner).stampede},
}

func suiteNames() []string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return names
}

func measure(ctx context.Context, o options) (*record.Results, error) {
	r := &runner{
		options: o, log: log.New(os.Stderr, "", log.Ltime),
		results: &record.Results{Machine: machine(), Settings: record.Settings{
			Command: "make bench", Date: time.Now().UTC().Format("2 January 2006"),
			Rounds: o.rounds, Seconds: o.seconds, PacedRate: o.rate, Connections: o.connections, Crowd: o.crowd,
			HandlerMS: int(o.handler.Milliseconds()),
		}},
	}
	r.versions(ctx)
	for _, s := range suites {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), s.name) {
			continue
		}
		began := time.Now()
		r.log.Printf("%s …", s.name)
		err := s.run(r, ctx)
		switch {
		case errors.Is(err, proc.ErrNotHere):
			r.missing("%s: %v; nothing of it was measured", s.name, err)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		r.log.Printf("%s: %s", s.name, time.Since(began).Round(time.Second))
	}
	return r.results, r.failed
}

// missing says, here and in the document, what cannot be measured.
func (r *runner) missing(format string, args ...any) {
	r.results.Notice(format, args...)
	r.log.Printf("!!! "+strings.ToUpper("not measured")+": "+format, args...)
}

// must are the targets without which there is no comparison.
var must = []string{target.Echo, target.Ours, target.RedisOurs, target.RedisTiered, target.RedisNaive}

// drop takes a target out of a case, because it did something else than answer rightly from its cache.
func (r *runner) drop(suite, name, who string, err error) {
	r.missing("%s, %s: %s is left out: %v", suite, name, who, err)
	r.results.Samples = slices.DeleteFunc(r.results.Samples, func(s record.Sample) bool {
		return s.Suite == suite && s.Case == name && s.Target == who
	})
	if slices.Contains(must, who) {
		r.failed = errors.Join(r.failed, fmt.Errorf("%s, %s: %s: %w", suite, name, who, err))
	}
}

// fewer is the number of rounds of what takes long.
func (o options) fewer() int { return max(1, o.rounds/3) }

// duration is how long one target is under load in a round.
func (o options) duration() time.Duration { return time.Duration(o.seconds * float64(time.Second)) }

// shuffled returns the elements in an order of its own.
func shuffled[T any](all []T) []T {
	mixed := slices.Clone(all)
	rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed
}

// sizes of a body.
var sizes = []struct {
	name  string
	bytes int
}{{record.Small, 1 << 10}, {record.Large, 64 << 10}}
