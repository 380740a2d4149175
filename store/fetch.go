package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/echocache/echocache/internal/flight"
)

// maxRounds is how often a call looks again after an eviction beat the load it waited for. Then it loads on its own.
const maxRounds = 3

// errAbandoned is what callers get of a load whose time is over.
var errAbandoned = fmt.Errorf("store: the load took too long: %w", context.DeadlineExceeded)

// want is one key that a call wants.
type want struct {
	job
	stale  *value // what was found, if it is within StaleIfError
	waiter flight.Waiter[outcome]
	leads  bool // this call started the flight
	done   bool // own or err is the answer
}

func (w *want) answer(own any, err error) { w.own, w.err, w.done = own, err, true }

// fetch gets every want an answer: from the backend, from a load that is under way, or from one of its own.
func (c *call) fetch(ctx context.Context, wants []*want) {
	arrived, began := c.flights.Now(), time.Now()
	for range maxRounds {
		since := c.flights.Now()
		c.lookUp(ctx, wants)
		c.at("look-up")
		wants = pending(wants)
		if len(wants) == 0 {
			return
		}
		if err := ctx.Err(); err != nil {
			giveUp(wants, err)
			return
		}
		c.board(ctx, wants, since)
		for i, w := range wants {
			if w.done {
				continue
			}
			c.await(ctx, w, arrived, began)
			if err := ctx.Err(); err != nil && !w.done {
				leave(wants[i+1:])
				giveUp(wants, err)
				return
			}
		}
		if wants = pending(wants); len(wants) == 0 {
			return
		}
	}
	c.byItself(ctx, wants)
}

func pending(wants []*want) []*want {
	var left []*want
	for _, w := range wants {
		if !w.done {
			left = append(left, w)
		}
	}
	return left
}

func giveUp(wants []*want, err error) {
	for _, w := range wants {
		if !w.done {
			w.answer(nil, err)
		}
	}
}

func leave(wants []*want) {
	for _, w := range wants {
		if !w.done {
			w.waiter.Leave()
		}
	}
}

// lookUp asks the backend for wants, in one trip, and answers those that are found fresh. The others get the fence for
// a load that begins now, and what is stale.
func (c *call) lookUp(ctx context.Context, wants []*want) {
	damaged := c.lookUpOnce(ctx, wants)
	if len(damaged) == 0 {
		return
	}
	keys := make([]string, len(damaged))
	for i, w := range damaged {
		keys[i] = w.full
	}
	c.drop(ctx, keys...)
	// The drop moved their fences. What comes back damaged again stays without one, and is not kept.
	for _, w := range c.lookUpOnce(ctx, damaged) {
		w.fence = Fence{}
	}
}

// lookUpOnce returns those wants under whose key something else was found.
func (c *call) lookUpOnce(ctx context.Context, wants []*want) (damaged []*want) {
	keys := make([]string, len(wants))
	for i, w := range wants {
		keys[i] = w.full
		w.fence, w.stale, w.base = Fence{}, nil, nil
	}
	found, err := c.backend.Lookup(ctx, keys...)
	if err != nil || len(found) != len(keys) {
		if err != nil && ctx.Err() == nil {
			c.config.Logger.Warn("look-up failed", "error", err)
		}
		return nil
	}
	var due []job
	for i, w := range wants {
		w.fence = found[i].Fence
		r, left := found[i].Record, found[i].Left
		if r == nil || left <= 0 {
			continue
		}
		v := c.take(w, r, left)
		if v == nil {
			damaged = append(damaged, w)
		} else if w.done && isDue(c.options.EagerRefresh, v, left) {
			due = append(due, w.job)
		}
	}
	if len(due) > 0 {
		c.refresh(ctx, due)
	}
	return damaged
}

// take answers w with what was found, if it is fresh, and else keeps it for later. It returns nil if that is no value
// of this kind.
func (c *call) take(w *want, r *Record, left time.Duration) *value {
	v := c.kind.read(r, w.key)
	if v == nil {
		return nil
	}
	own, err := c.own(v)
	over := -v.left(left) // for how long it has not been fresh
	switch {
	case err != nil && !v.absent:
		return nil
	case over < 0:
		c.hit(left)
		w.answer(own, err)
		return v
	case v.absent:
		return v
	}
	w.base = v
	if over < c.options.StaleIfError {
		w.stale = v
		if c.throttled.holds(w.full) {
			c.serveStale(w, own)
		}
	}
	return v
}

// serveStale answers with what has ceased to be fresh.
func (c *call) serveStale(w *want, own any) {
	c.stale.Add(1)
	if o := c.config.Observer; o != nil {
		o.Stale(Event{Keys: 1})
	}
	w.answer(own, nil)
}

// board finds a flight for every want: another's, or one of its own, all of which are one load.
func (c *call) board(ctx context.Context, wants []*want, since flight.Moment) {
	var mine, again []*want
	for _, w := range wants {
		f, waiter, role := c.flights.Join(c.flightKey(w.full), since, c.patience())
		w.flight, w.waiter, w.leads = f, waiter, role != flight.Follow
		switch role {
		case flight.Lead:
			mine = append(mine, w)
		case flight.LeadAgain:
			again = append(again, w)
		case flight.Follow:
		}
	}
	if len(again) > 0 {
		// Flights ended between the look-up and now; perhaps they were of these keys.
		c.lookUp(ctx, again)
		for _, w := range again {
			if w.done {
				w.flight.Finish(outcome{kind: outcomeFound})
			} else {
				mine = append(mine, w)
			}
		}
	}
	if len(mine) == 0 {
		return
	}
	jobs := make([]*job, len(mine))
	for i, w := range mine {
		j := w.job // a copy: the load may go on when this call is over
		jobs[i] = &j
	}
	for i, waiter := range c.start(ctx, jobs) {
		mine[i].waiter = waiter
	}
}

// flightKey keeps callers that want different types under one key out of each other's flights.
func (c *call) flightKey(full string) string { return string(c.kind.id[:]) + full }

// await waits for the flight of one want, as long as its options and ctx let it. If w is not done then, ctx has ended,
// or the answer was not for this call and it has to look again.
func (c *call) await(ctx context.Context, w *want, arrived flight.Moment, began time.Time) {
	limit, soft := c.options.Timeout, false
	if s := c.options.SoftTimeout; s > 0 && w.stale != nil {
		limit, soft = s, true
	}
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit - time.Since(began))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-w.waiter.Done():
		c.arrive(ctx, w, arrived)
	case <-ctx.Done():
		w.waiter.Leave()
	case <-over:
		// The waiter does not leave: the load goes on, whoever waits.
		err := error(nil)
		if !soft {
			err = fmt.Errorf("store: the load took longer than Timeout (%s): %w", limit, context.DeadlineExceeded)
		}
		c.fallBack(w, err)
	}
}

// fallBack answers with the stale value, if there is one, and else with err.
func (c *call) fallBack(w *want, err error) {
	if w.stale != nil {
		own, broken := c.own(w.stale)
		if broken == nil {
			c.serveStale(w, own)
			return
		}
		err = errors.Join(err, broken)
	}
	w.answer(nil, err)
}

// arrive takes what a flight ended with, if it is for this call.
func (c *call) arrive(ctx context.Context, w *want, arrived flight.Moment) {
	o, err := w.waiter.Result()
	if err != nil {
		c.fallBack(w, errAbandoned)
		return
	}
	switch o.kind {
	case outcomeFailed:
		c.fallBack(w, o.err)
		return
	case outcomeStored:
		if !w.leads && !w.waiter.Early() {
			return
		}
	case outcomeKept:
		if !w.leads && w.waiter.Started() <= arrived {
			return
		}
	case outcomeFenced:
		if !w.leads {
			return
		}
	case outcomeUnshared:
		if !w.leads || o.own == nil {
			c.byItself(ctx, []*want{w})
			return
		}
	case outcomeFound:
		return
	}
	if !w.leads || o.fleet {
		c.collapsed.Add(1)
	}
	switch {
	case o.value != nil && o.value.absent:
		w.answer(nil, o.err)
	case w.leads && o.own != nil:
		w.answer(o.own, nil)
	default:
		own, err := c.own(o.value)
		w.answer(own, err)
	}
}

// byItself loads what nobody else's load can answer.
func (c *call) byItself(ctx context.Context, wants []*want) {
	jobs := make([]*job, len(wants))
	for i, w := range wants {
		w.err = nil
		jobs[i] = &w.job
	}
	c.alone(ctx, jobs)
	for _, w := range wants {
		if w.err != nil && !errors.Is(w.err, ErrNotFound) {
			c.fallBack(w, w.err)
			continue
		}
		w.done = true
	}
}
