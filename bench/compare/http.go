package main

import (
	"context"
	"errors"
	"time"

	"github.com/echocache/echocache/bench/internal/load"
	"github.com/echocache/echocache/bench/internal/proc"
	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// loading is one case of a comparison under load.
type loading struct {
	suite, name string
	rounds      int
	redis       *proc.Server
	run         func(ctx context.Context, addr string) (load.Result, error)
}

// overHTTP measures hits over loopback, with wrk and with our own pacer.
func (r *runner) overHTTP(ctx context.Context) error {
	names := []string{
		target.Echo, target.EchoLength, target.Ours, target.Stampede, target.EchoHTTP, target.Souin, target.GinCache, varnish, nginx,
	}
	if !load.HasWrk() {
		r.missing("wrk is not on PATH, so nothing was asked as fast as it answers; only the pacer's fixed rate")
	}
	for _, size := range sizes {
		contenders, err := r.openAll(ctx, record.HTTP, names, size.bytes)
		if err == nil {
			if load.HasWrk() {
				err = r.load(ctx, contenders, r.wrk(record.HTTP, size.name, r.connections, size.bytes))
			}
			if err == nil && size.name == record.Small {
				err = r.load(ctx, contenders, r.pace(record.Paced, size.name, size.bytes))
			}
		}
		if err = errors.Join(err, stopAll(contenders)); err != nil {
			return err
		}
	}
	return nil
}

// onRedis measures hits whose entry lies in Redis.
func (r *runner) onRedis(ctx context.Context) error {
	redis, err := proc.Redis(ctx)
	if err != nil {
		return err
	}
	names := []string{target.Echo, target.RedisNaive, target.RedisOurs, target.RedisTiered, target.RedisGin}
	const size = 1 << 10
	contenders, err := r.openAll(ctx, record.Redis, names, size, "-redis", redis.Addr)
	for _, connections := range []int{r.connections, 4 * r.connections} {
		if err == nil && load.HasWrk() {
			l := r.wrk(record.Redis, record.Conns(connections), connections, size)
			l.redis = redis
			err = r.load(ctx, contenders, l)
		}
	}
	if err == nil {
		l := r.pace(record.Paced, record.Redis, size)
		l.redis = redis
		err = r.load(ctx, contenders, l)
	}
	return errors.Join(err, stopAll(contenders), redis.Stop())
}

func (r *runner) wrk(suite, name string, connections, size int) loading {
	return loading{suite: suite, name: name, rounds: r.rounds, run: func(ctx context.Context, addr string) (load.Result, error) {
		return load.Wrk(ctx, addr, connections, size, r.duration())
	}}
}

func (r *runner) pace(suite, name string, size int) loading {
	return loading{suite: suite, name: name, rounds: r.fewer(), run: func(ctx context.Context, addr string) (load.Result, error) {
		return load.Pace(ctx, addr, r.connections, size, r.rate, 2*r.duration())
	}}
}

// openAll starts the contenders that can be had here, and warms them.
func (r *runner) openAll(ctx context.Context, suite string, names []string, size int, args ...string) ([]*contender, error) {
	var all []*contender
	for _, name := range names {
		c, err := r.open(ctx, name, size, args...)
		if errors.Is(err, proc.ErrNotHere) {
			r.missing("%s: %v", suite, err)
			continue
		}
		if err != nil {
			return all, err
		}
		all = append(all, c)
		if err := c.warm(ctx); err != nil {
			c.out = true
			r.drop(suite, "warm-up", name, err)
		}
	}
	return all, nil
}

func stopAll(contenders []*contender) error {
	var errs []error
	for _, c := range contenders {
		errs = append(errs, c.stop())
	}
	return errors.Join(errs...)
}

// load runs a case's rounds. In each every contender has its turn, in an order of the round's own.
func (r *runner) load(ctx context.Context, contenders []*contender, l loading) error {
	out := map[string]bool{}
	for round := range l.rounds {
		for _, c := range shuffled(contenders) {
			if c.out || out[c.name] {
				continue
			}
			values, err := c.under(ctx, l.redis, func(addr string) (load.Result, error) { return l.run(ctx, addr) })
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				out[c.name] = true
				r.drop(l.suite, l.name, c.name, err)
				continue
			}
			r.results.Add(l.suite, l.name, c.name, round, values)
			time.Sleep(20 * time.Millisecond) // its connections close, and their work is not the next one's
		}
	}
	return nil
}
