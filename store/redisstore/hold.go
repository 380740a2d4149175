package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Where masters have replicas, two of them may live for a while: a new one, and an old one that has yet to notice. It does
// when it has heard of no replica for min-replicas-max-lag, and until it has counted them, which it does every second; then
// it writes nothing, look-ups included. Until then two things can go wrong, and Config.SplitBrainHold is about both.
//
// What the new master evicts, the old one serves on. But it is silent when this process has known the new one's epoch for
// the hold, because that epoch began after it had last heard of a replica; so an eviction is not confirmed before.
//
// What the old master evicts, the new one never hears of, and keeps what was made before. But a replica that has confirmed
// an eviction was not promoted before; and what is made for the new master later is made after the eviction. So an eviction
// is not confirmed before the replicas have it.

var (
	errHeld = errors.New("redisstore: evict: it is carried out, but an old master may still serve others " +
		"(Config.SplitBrainHold)")
	errNotCopied = errors.New("redisstore: evict: it is carried out, but the replicas have not confirmed it " +
		"(Config.SplitBrainHold)")
)

// copyMargin is what is left of the time for an eviction when the server stops waiting for its replicas. It looks at its
// clock ten times a second.
const copyMargin = 120 * time.Millisecond

// sendEvictions makes the calls as send does. Where Config.SplitBrainHold asks for it all of them have to reach replicas.
func (s *Store) sendEvictions(ctx context.Context, known *standing, calls []*call) {
	if s.config.SplitBrainHold > 0 {
		for _, c := range calls {
			c.copies = known.copies
		}
	}
	s.send(ctx, calls)
}

// awaitCopies has the server of each call, behind all that goes there, say how many replicas have it, if that matters. It
// does for all of the calls or for none.
func (l *lanes) awaitCopies(ctx context.Context, calls []*call) {
	if len(calls) == 0 || calls[0].copies == 0 { // look-ups, above all
		return
	}
	asked := make(map[redis.Pipeliner]*redis.Cmd)
	for _, c := range calls {
		if c.reply.Err() != nil { // it goes nowhere
			continue
		}
		pipe, err := l.to(ctx, c.keys[0])
		if err != nil {
			c.copied = redis.NewCmd(ctx)
			c.copied.SetErr(err)
			continue
		}
		if asked[pipe] == nil {
			wait := time.Millisecond
			if end, ok := ctx.Deadline(); ok {
				wait = max(wait, time.Until(end)-copyMargin)
			}
			asked[pipe] = pipe.Do(ctx, "WAIT", c.copies, wait.Milliseconds())
		}
		c.copied = asked[pipe]
	}
}

// held returns why evictions that were carried out are not confirmed yet, or nil.
func (s *Store) held(calls []*call) error {
	if s.config.SplitBrainHold == 0 {
		return nil
	}
	for _, c := range calls {
		if err := c.uncopied(); err != nil {
			return err
		}
		reply, _, err := c.answer(s.layout)
		fence, ok := fenceOf(reply)
		if err != nil || !ok {
			return errReply
		}
		if time.Since(s.leases.noted(c.keys[0], fence.Epoch)) < s.config.SplitBrainHold {
			return errHeld
		}
	}
	return nil
}

// uncopied returns why it is not known that the replicas have what c did, or nil.
func (c *call) uncopied() error {
	if c.copies == 0 {
		return nil
	}
	switch n, err := c.copied.Int(); {
	case err != nil:
		return fmt.Errorf("%w: %w", errNotCopied, err)
	case n < c.copies:
		return fmt.Errorf("%w: %d of %d have", errNotCopied, n, c.copies)
	}
	return nil
}
