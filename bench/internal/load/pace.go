package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/echocache/echocache/bench/internal/page"
	"github.com/echocache/echocache/bench/internal/record"
)

// Pace asks for page 7 at a fixed rate, whether the answers come or not: an open loop. Latencies count from when a
// request should have been sent, so an answer that is late makes those that wait behind it late as well, as it would for
// people. The pacer's own lateness is in them and is told besides. Every byte of every answer is checked.
func Pace(ctx context.Context, addr string, connections, size, rate int, d time.Duration) (Result, error) {
	p := pace{
		request: message(7), want: page.Body(size),
		due: make(chan time.Time, int(float64(rate)*d.Seconds())+1), // so that the pacer never waits
	}
	var workers sync.WaitGroup
	for range connections {
		c, err := dial(ctx, addr, size)
		if err != nil {
			close(p.due)
			workers.Wait()
			return Result{}, err
		}
		workers.Go(func() {
			p.work(c)
			_ = c.Close()
		})
	}
	began := time.Now()
	late := p.send(ctx, rate, cap(p.due)-1, began)
	close(p.due)
	workers.Wait()
	if p.failed != nil {
		return Result{}, fmt.Errorf("%w: the pacer: %w", ErrWrong, p.failed)
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	return Result{
		Requests: len(p.took), Rate: float64(len(p.took)) / p.last.Sub(began).Seconds(),
		P50: quantile(p.took, 0.5), P99: quantile(p.took, 0.99), Late: quantile(late, 0.5),
	}, nil
}

type pace struct {
	request, want []byte
	due           chan time.Time

	mu     sync.Mutex
	took   []float64 // ns
	last   time.Time
	failed error
}

func quantile(ns []float64, share float64) time.Duration {
	if len(ns) == 0 {
		return 0
	}
	return time.Duration(record.Quantile(ns, share))
}

// send hands out one request after the other, each at its time. It has a thread of its own, since the runtime's timers
// are late by up to a millisecond when nothing else happens.
func (p *pace) send(ctx context.Context, rate, requests int, began time.Time) (late []float64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range requests {
		at := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		pause(time.Until(at))
		if ctx.Err() != nil {
			return late
		}
		late = append(late, float64(time.Since(at)))
		p.due <- at
	}
	return late
}

func (p *pace) work(c *conn) {
	var took []float64
	for at := range p.due {
		if err := c.ask(p.request, p.want); err != nil {
			p.mu.Lock()
			p.failed = err
			p.mu.Unlock()
			for range p.due { // nobody may wait for this connection
				continue
			}
			return
		}
		took = append(took, float64(time.Since(at)))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took = append(p.took, took...)
	if now := time.Now(); now.After(p.last) {
		p.last = now
	}
}
