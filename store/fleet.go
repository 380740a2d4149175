package store

import (
	"context"

	"github.com/echocache/echocache/internal/fleet"
)

// collapses reports whether a load of jobs is for one process at a time.
func (c *call) collapses(jobs []*job) bool {
	return c.fleet != nil && c.options.CollapseFleet && !jobs[0].many
}

// claim claims a job's key.
func (c *call) claim(ctx context.Context, j *job) (release func(), held bool, err error) {
	return c.fleet.Claim(ctx, j.full, fleet.Lease)
}

// runFleet runs the load of j, unless another process loads the same and this one gets it in time.
func (c *call) runFleet(ctx context.Context, j *job) {
	var v *value
	found, release := fleet.Await(ctx, min(fleet.Patience, c.limit()/2),
		func(ctx context.Context) (func(), bool, error) { return c.claim(ctx, j) },
		func() (sight fleet.Sight) {
			v, sight = c.spot(ctx, j)
			return sight
		})
	if !found {
		defer release() // deferred, for a load may end its goroutine
	}
	c.at("fleet")
	if err := ctx.Err(); err != nil {
		j.flight.Finish(outcome{kind: outcomeFailed, err: err})
		return
	}
	if found {
		// Once more, now that nobody joins: an eviction that one of those who wait has seen end came before this look-up,
		// but perhaps not before the other one.
		if !j.flight.Seal() {
			return
		}
		if v, _ = c.spot(ctx, j); v != nil {
			c.at("fleet found")
			o := outcome{kind: outcomeStored, value: v, fleet: true}
			if v.absent {
				o.err = ErrNotFound
			}
			j.flight.Finish(o)
			return
		}
	}
	c.misses.Add(1)
	c.run(ctx, []*job{j})
}

// spot looks whether there is a fresh value for j by now. If there is none, j has the fence for a load that begins now, and
// what is stale.
func (c *call) spot(ctx context.Context, j *job) (*value, fleet.Sight) {
	j.fence, j.base = Fence{}, nil
	found, err := c.backend.Lookup(ctx, j.full)
	if err != nil || len(found) != 1 {
		if err != nil && ctx.Err() == nil {
			c.config.Logger.Warn("look-up failed", "error", err)
		}
		return nil, fleet.Trouble
	}
	j.fence = found[0].Fence
	if j.fence.Epoch == [16]byte{} {
		return nil, fleet.Trouble
	}
	r, left := found[0].Record, found[0].Left
	if r == nil || left <= 0 {
		return nil, fleet.Nothing
	}
	v := c.kind.read(r, j.key)
	if v == nil {
		return nil, fleet.Trouble // of another type: what is loaded here takes its place
	}
	own, err := c.own(v)
	switch {
	case err != nil && !v.absent:
		return nil, fleet.Trouble
	case v.left(left) <= 0:
		if !v.absent {
			j.base = v
		}
		return nil, fleet.Nothing
	}
	if c.kind.plain || c.options.Immutable {
		v.shared = own
	}
	return v, fleet.There
}

// claimed gives a refresh of jobs its claim. It reports false if another process has it: then that refreshes.
func (c *call) claimed(ctx context.Context, jobs []*job) (release func(), ok bool) {
	if c.collapses(jobs) {
		release, held, err := c.claim(ctx, jobs[0])
		if held || err == nil {
			return release, held
		}
	}
	return func() {}, true
}
