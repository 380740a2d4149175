package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/echocache/echocache/bench/internal/load"
	"github.com/echocache/echocache/bench/internal/proc"
	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// lifetime is how long a page lives in a stampede. One of the peers counts in whole seconds, and cuts the first one off.
const lifetime = 4 * time.Second

// stampede has many clients ask at once for a page that is not there, in one process and in four that share a Redis, and
// again when it has expired.
func (r *runner) stampede(ctx context.Context) error {
	names := []string{target.Ours, target.GinCache, target.Stampede, target.HTTPCache, target.EchoHTTP, target.Souin}
	if err := r.crowds(ctx, names, 1); err != nil {
		return err
	}
	redis, err := proc.Redis(ctx)
	if err != nil {
		return err
	}
	err = r.crowds(ctx, []string{target.RedisOurs, target.RedisTiered, target.RedisGin}, 4, "-redis", redis.Addr)
	return errors.Join(err, redis.Stop())
}

func (r *runner) crowds(ctx context.Context, names []string, processes int, args ...string) error {
	for round := range r.fewer() {
		for _, name := range shuffled(names) {
			err := r.crowdsOf(ctx, name, round, processes, args...)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				r.drop(record.Stampede, record.Crowd(processes, false), name, err)
				r.drop(record.Stampede, record.Crowd(processes, true), name, err)
			}
		}
	}
	return nil
}

// crowdsOf starts one contender in so many processes, and has a crowd ask it twice.
func (r *runner) crowdsOf(ctx context.Context, name string, round, processes int, args ...string) (err error) {
	args = append(args, "-delay", r.handler.String(), "-ttl", lifetime.String())
	const size = 1 << 10
	var all []*contender
	defer func() { err = errors.Join(err, stopAll(all)) }()
	var addrs []string
	for range processes {
		c, err := r.open(ctx, name, size, args...)
		if err != nil {
			return err
		}
		all = append(all, c)
		addrs = append(addrs, c.server.Addr)
	}
	crowd, err := load.OpenCrowd(ctx, addrs, r.crowd, size, 1)
	if err != nil {
		return err
	}
	defer crowd.Close()
	// Who shares a Redis, with others or with the round before, asks for a page of its own.
	page := 100 + round*len(target.Names()) + slices.Index(target.Names(), name)
	for _, expired := range []bool{false, true} {
		began := time.Now()
		values, err := r.ask(ctx, crowd, all, page)
		if err != nil {
			return err
		}
		r.results.Add(record.Stampede, record.Crowd(processes, expired), name, round, values)
		if !expired {
			// Kept since the handler returned, at the earliest when the crowd began.
			time.Sleep(time.Until(began.Add(time.Duration(values[record.Wall])*time.Millisecond + lifetime + 200*time.Millisecond)))
		}
	}
	return nil
}

func (r *runner) ask(ctx context.Context, crowd *load.Crowd, all []*contender, page int) (map[string]float64, error) {
	before, err := sum(ctx, all)
	if err != nil {
		return nil, err
	}
	wall, wrong, err := crowd.Ask(page)
	if err != nil {
		return nil, fmt.Errorf("%d wrong answers: %w", wrong, err)
	}
	after, err := sum(ctx, all)
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		record.Runs: float64(after - before), record.Wall: float64(wall) / float64(time.Millisecond),
		record.Handler: float64(r.handler) / float64(time.Millisecond),
	}, nil
}

func sum(ctx context.Context, all []*contender) (n int64, err error) {
	for _, c := range all {
		runs, err := c.runs(ctx)
		if err != nil {
			return 0, err
		}
		n += runs
	}
	return n, nil
}
