// Command outage takes Redis away from two instances of the shop and shows, second by second, what their users notice.
//
//	make outage                     # from the repository's root; 5 phases of 5 s
//	OUTAGE_SECONDS=2 make outage    # shorter phases
//	SHOP=/path/of/echo-api          # a binary of the shop; without it one is built
//
// It starts a redis-server of its own on a free port, two shops on one temporary database, and a load of reads and
// writes. Then Redis is killed, started again, paused and resumed. A write that was answered must be seen by every read
// that begins afterwards, at both instances; what shows an older price is counted as stale. The verdict tells two kinds
// apart: those after an eviction that Redis had confirmed, which must not be, and those while it was queued at the
// instance that had been written to, and another one had reached Redis again already.
//
// The columns: reads answered; by which tier (memory, redis, or made by the handler); errors; stale answers; the reads'
// median and 99th percentile; writes answered, and their 99th percentile; loads from the database.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

var errInterrupted = errors.New("interrupted")

const defaultPhase = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	verdict, err := run(ctx, os.Getenv, os.Stdout)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "outage:", err)
		os.Exit(1)
	case !verdict.good():
		os.Exit(1)
	}
}

// run runs the whole of it. Whatever it started has ended when it returns.
func run(ctx context.Context, getenv func(string) string, out io.Writer) (_ *verdict, err error) {
	phase, err := phaseLength(getenv)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "outage-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	server, err := newRedis(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer server.kill()
	fleet, err := openShops(ctx, getenv("SHOP"), folder, server.addr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fleet.close()) }()
	d, err := newDrive(ctx, fleet)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "two shops on one database, Redis %s at %s, %d reads a second, a write every %s\n\n",
		server.version, server.addr, readsPerSecond, writeEvery)
	err = perform(ctx, d, phases(server), phase, out)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(out, "\n", &d.whole)
	return &d.whole, nil
}

func phaseLength(getenv func(string) string) (time.Duration, error) {
	text := cmp.Or(getenv("OUTAGE_SECONDS"), strconv.Itoa(int(defaultPhase/time.Second)))
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 {
		return 0, fmt.Errorf("OUTAGE_SECONDS is %q: use a number of seconds from 1 on", text)
	}
	return time.Duration(seconds) * time.Second, nil
}

// phase is a time during which nothing is done to Redis. begin does what comes before.
type phase struct {
	name  string
	away  bool // Redis does not answer
	begin func(context.Context) error
}

func phases(s *redis) []phase {
	return []phase{
		{"steady", false, func(context.Context) error { return nil }},
		{"killed", true, func(context.Context) error { s.kill(); return nil }},
		{"back", false, s.start},
		{"paused", true, func(context.Context) error { return s.pause() }},
		{"resumed", false, func(context.Context) error { return s.resume() }},
	}
}

// perform drives the load through the phases and prints a line for each second.
func perform(ctx context.Context, d *drive, all []phase, length time.Duration, out io.Writer) error {
	running, stop := context.WithCancel(ctx)
	d.start(running)
	defer func() { stop(); d.work.Wait() }()
	fmt.Fprintln(out, header)
	second := 0
	for _, p := range all {
		d.enter(p)
		// The lines go on while Redis starts: the first second of a phase holds what beginning it took.
		begun := make(chan error, 1)
		go func() { begun <- p.begin(ctx) }()
		ticker := time.NewTicker(time.Second)
		for range length / time.Second {
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				break
			}
			second++
			fmt.Fprintln(out, d.line(second, p.name))
		}
		ticker.Stop()
		err := <-begun
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s\n", d.fleet.state(ctx))
	}
	return nil
}
