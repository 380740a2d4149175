package output

import (
	"context"
	"time"

	"github.com/echocache/echocache/internal/fleet"
	"github.com/echocache/echocache/internal/flight"
	"github.com/echocache/echocache/store"
)

// CollapseFleet has one instance fill a page while the others that miss it wait for what that stores, 2 s at most, and
// then fill it themselves. An instance that crashes meanwhile costs them 1.5 s. It takes a backend that all instances
// share and that is a [store.Fleet], and does nothing over another one. Each fill costs two more trips, so it is for
// pages that take longer than those to make, and less than 1.5 s: after that a second instance begins.
//
// It changes no answer and no key. Instances with and without it share their pages, and only the former wait.
func (p Policy) CollapseFleet() Policy {
	p.fleet = true
	return p
}

// anyFleet returns the policy without what selects no page: what keys are made of.
func (p Policy) anyFleet() Policy {
	p.fleet = false
	return p
}

// unclaimed gives up nothing: what leads without a claim is handed this.
func unclaimed() {}

// leadFleet leads the flight own, unless the policy collapses the fleet, another process fills the page, and this one gets
// it in time. ctx is the request's, as long as it may wait. fence is that of the look-up which missed.
func (q *request) leadFleet(ctx context.Context, own *flight.Flight[outcome], fence store.Fence) error {
	c := q.cache
	if c.fleet == nil || !q.policy.fleet {
		return q.lead(own, fence, unclaimed)
	}
	c.counters.waiting.Add(1)
	claim := func(ctx context.Context) (func(), bool, error) { return c.fleet.Claim(ctx, q.key, fleet.Lease) }
	found, release := fleet.Await(ctx, min(fleet.Patience, c.config.Patience/2), claim, func() fleet.Sight {
		var page *page
		switch page, _, fence = q.lookUp(ctx, nil); {
		case page != nil:
			return fleet.There
		case fence.Epoch == [16]byte{}:
			return fleet.Trouble
		default:
			return fleet.Nothing
		}
	})
	c.counters.waiting.Add(-1)
	c.at("fleet")
	if err := q.r.Context().Err(); err != nil {
		release()
		own.Finish(outcome{kind: outcomeAgain}) // one of those who wait here leads the next
		return err
	}
	if found {
		// Once more, now that nobody joins: an eviction that one of those who wait has seen end came before this look-up,
		// but perhaps not before the other one.
		own.Seal()
		var page *page
		var left time.Duration
		if page, left, fence = q.lookUp(q.r.Context(), nil); page != nil {
			c.at("fleet found")
			o := outcome{outcomeStored, page, left}
			own.Finish(o)
			return q.collapse(o)
		}
	}
	return q.lead(own, fence, release)
}

// collapse answers with what another's fill has made.
func (q *request) collapse(o outcome) error {
	c := q.cache
	c.counters.collapsed.Add(1)
	c.config.Observer.Collapsed(Event{
		Cache: c.config.Name, Route: q.x.Route(), Method: q.r.Method, Status: o.page.status,
		TTL: o.left, Bytes: len(o.page.body),
	})
	return q.answer(o.page, &o.page.fields, o.left, q.filled().collapsed)
}
