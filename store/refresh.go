package store

import (
	"context"
	"time"
)

// maxRefreshes is how many loads run in the background at once that nobody waits for. The others wait for the next hit.
const maxRefreshes = 64

// isDue reports whether a fresh value is to be loaded before its time.
func isDue(fraction float64, v *value, record time.Duration) bool {
	return fraction > 0 && !v.absent && v.age(record) >= time.Duration(fraction*float64(v.fresh))
}

// refresh loads values anew in the background, but for those of which a load is under way, or has failed of late.
func (c *call) refresh(ctx context.Context, due []job) {
	var jobs []*job
	for i := range due {
		j := due[i] // a copy: it outlives the call
		if c.throttled.holds(j.full) {
			continue
		}
		if j.flight = c.flights.Lead(c.flightKey(j.full), c.flights.Now(), c.patience()); j.flight != nil {
			jobs = append(jobs, &j)
		}
	}
	if len(jobs) == 0 {
		return
	}
	select {
	case c.refreshes <- struct{}{}:
	default:
		nevermind(jobs)
		return
	}
	if !c.begin() {
		<-c.refreshes
		nevermind(jobs)
		return
	}
	ctx, cancel := c.detached(ctx)
	go func() {
		defer c.loads.Done()
		defer func() { <-c.refreshes }()
		defer cancel()
		release, ok := c.claimed(ctx, jobs)
		if !ok {
			nevermind(jobs)
			return
		}
		defer release()
		if jobs = c.stillDue(ctx, jobs); len(jobs) > 0 {
			c.run(ctx, jobs)
		}
	}()
}

// nevermind ends the flights of jobs; who has joined them looks again.
func nevermind(jobs []*job) {
	for _, j := range jobs {
		j.flight.Finish(outcome{kind: outcomeFound})
	}
}

// stillDue looks jobs up once more, now that nobody else can load them: for the fences, and to leave out what somebody
// has just loaded.
func (c *call) stillDue(ctx context.Context, jobs []*job) (due []*job) {
	keys := make([]string, len(jobs))
	for i, j := range jobs {
		keys[i] = j.full
	}
	found, err := c.backend.Lookup(ctx, keys...)
	if err != nil || len(found) != len(keys) {
		nevermind(jobs)
		return nil
	}
	for i, j := range jobs {
		var v *value
		if r := found[i].Record; r != nil {
			v = c.kind.read(r, j.key)
		}
		if v == nil || !isDue(c.options.EagerRefresh, v, found[i].Left) {
			nevermind(jobs[i : i+1])
			continue
		}
		j.fence, j.base = found[i].Fence, v
		due = append(due, j)
	}
	return due
}
