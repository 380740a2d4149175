package storetest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/echocache/echocache/store"
)

// clause is one promise of the contract. check ends at the first breach.
type clause struct {
	name  string
	check func(p *probe)
}

// hold runs the clause against b, closes b, and returns the breach, if any. A nil sleep is a bubble's.
func (c clause) hold(b store.Backend, sleep func(time.Duration)) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case breach:
			err = r
		default:
			panic(r)
		}
	}()
	defer func() {
		if closed := b.Close(); closed != nil && err == nil {
			err = fmt.Errorf("at the end: Close = %w", closed)
		}
	}()
	c.check(newProbe(b, sleep))
	return nil
}

// breach ends a clause, as a panic that hold catches: so that a clause reads as what it claims, one line a claim.
type breach struct{ error }

// probe asks a backend and insists on the answer.
type probe struct {
	store.Backend

	ctx   context.Context //nolint:containedctx // one clause, one context
	sleep func(time.Duration)
	exact bool          // time passes in sleep only
	short time.Duration // a TTL that a test can wait for
}

// long is a TTL that no test outlives.
const long = time.Hour

func newProbe(b store.Backend, sleep func(time.Duration)) *probe {
	p := &probe{Backend: b, ctx: context.Background(), sleep: sleep, short: 200 * time.Millisecond}
	if sleep == nil {
		p.sleep, p.exact, p.short = time.Sleep, true, time.Minute
	}
	return p
}

func (p *probe) breach(format string, args ...any) { panic(breach{fmt.Errorf(format, args...)}) }

func (p *probe) mustDo(what string, err error) {
	if err != nil {
		p.breach("%s = %w, want nil", what, err)
	}
}

// lookup returns what is under keys.
func (p *probe) lookup(keys ...string) []store.Found {
	found, err := p.Lookup(p.ctx, keys...)
	p.mustDo("Lookup", err)
	if len(found) != len(keys) {
		p.breach("Lookup of %d keys gave %d answers", len(keys), len(found))
	}
	return found
}

// miss insists that nothing is under key, and returns the fence for a fill.
func (p *probe) miss(key string) store.Fence {
	found := p.lookup(key)[0]
	if found.Record != nil {
		p.breach("Lookup(%.40q) found %.40q, want a miss", key, found.Record.Value)
	}
	p.alive(key, found.Fence)
	return found.Fence
}

// hit insists that value is under key, and returns the rest of the answer.
func (p *probe) hit(key, value string) store.Found {
	found := p.lookup(key)[0]
	switch {
	case found.Record == nil:
		p.breach("Lookup(%.40q) is a miss, want %.40q", key, value)
	case !bytes.Equal(found.Record.Value, []byte(value)):
		p.breach("Lookup(%.40q) found %.40q, want %.40q", key, found.Record.Value, value)
	case found.Left <= 0:
		p.breach("Lookup(%.40q): %v left on a hit", key, found.Left)
	}
	p.alive(key, found.Fence)
	return found
}

func (p *probe) alive(key string, f store.Fence) {
	if f.Epoch == (store.Fence{}).Epoch {
		p.breach("Lookup(%.40q) gave a fence without an epoch", key)
	}
}

// offer stores value under key and insists on the verdict.
func (p *probe) offer(want store.Verdict, key, value string, ttl time.Duration, f store.Fence, tags ...string) {
	got, err := p.Store(p.ctx, key, store.Record{Value: []byte(value), Tags: tags, TTL: ttl, Fence: f})
	if got != want {
		p.breach("Store(%.40q) = %v (error: %v), want %v", key, got, err, want)
	}
	if err != nil && (got == store.Stored || got == store.Fenced) {
		p.breach("Store(%.40q) = %v with an error: %w", key, got, err)
	}
}

// put fills key with value, from the look-up to the store.
func (p *probe) put(key, value string, tags ...string) {
	p.offer(store.Stored, key, value, long, p.lookup(key)[0].Fence, tags...)
}

func (p *probe) evict(tags ...string) { p.mustDo("Evict", p.Evict(p.ctx, tags...)) }

func (p *probe) remove(keys ...string) { p.mustDo("Delete", p.Delete(p.ctx, keys...)) }
