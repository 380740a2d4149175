// Command compare measures our cache beside bare Echo and the caches of other modules and programs, and writes what it
// found into docs/BENCHMARKS.md. `make bench` runs it from the root of the repository.
//
//	go run ./compare -rounds 9 -seconds 1 -doc ../docs/BENCHMARKS.md
//	go run ./compare -render results.json -doc ../docs/BENCHMARKS.md    # only the document, from an earlier run
//
// Targets alternate within a round, in an order that is drawn anew for each; ratios are taken within a round. What is
// measured as a hit must be one: if the origin runs, or an answer is wrong, that benchmark fails. If it is one of ours or
// of bare Echo the whole run fails, else the row is left out and the document says why.
//
// Servers are processes of their own, on loopback; this program runs itself again for those that are written in Go. The
// load comes from wrk, if it is on PATH, and from a pacer of our own, on the same processors. On other systems than
// Linux processor times are missing.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// dispatch plays the part that the arguments name: a server, one measurement, or the whole comparison.
func dispatch(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case roleServe:
			return serve(ctx, args[1:], out)
		case roleHit:
			return hit(args[1:], out)
		}
	}
	return compare(ctx, args)
}

// options are the flags of the comparison.
type options struct {
	rounds      int
	seconds     float64
	connections int
	crowd       int
	rate        int
	handler     time.Duration
	only        string
	results     string
	render      string
	doc         string
	root        string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 9, "rounds of each comparison")
	flags.Float64Var(&o.seconds, "seconds", 1, "seconds of load a target, a round (wrk knows whole ones only)")
	flags.IntVar(&o.connections, "connections", 64, "connections of a load")
	flags.IntVar(&o.crowd, "crowd", 2000, "requests of a stampede")
	flags.IntVar(&o.rate, "rate", 2000, "requests a second of the pacer")
	flags.DurationVar(&o.handler, "handler", 100*time.Millisecond, "how long the handler takes in a stampede")
	flags.StringVar(&o.only, "only", "", "the suites to run, by commas: "+strings.Join(suiteNames(), ", "))
	flags.StringVar(&o.results, "results", "", "a file for what was measured, as JSON")
	flags.StringVar(&o.render, "render", "", "measure nothing; read such a file")
	flags.StringVar(&o.doc, "doc", "", "the document to write; its parts that are not ours stay")
	flags.StringVar(&o.root, "root", "..", "the repository")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.seconds <= 0 || o.connections < 1 || o.crowd < 1 || o.rate < 1 || flags.NArg() > 0 {
		return o, fmt.Errorf("cannot be: %v", args)
	}
	return o, nil
}

func compare(ctx context.Context, args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	var results *record.Results
	if o.render != "" {
		results, err = record.Read(o.render)
	} else {
		results, err = measure(ctx, o)
	}
	if err != nil {
		return err
	}
	if o.results != "" && o.render == "" {
		if err := results.Write(o.results); err != nil {
			return err
		}
	}
	if o.doc == "" {
		return nil
	}
	return report.Update(o.doc, results)
}

// say prints one line of JSON.
func say(out io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = out.Write(append(line, '\n'))
	return err
}
