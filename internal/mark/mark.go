// Package mark is where a request's context says what the request is part of: a fill, a refresh, or an examination by
// package outputtest. One key serves all, because a hit pays for each that it asks for.
package mark

import (
	"context"
	"sync"
)

// Key finds it in a context.
type Key struct{}

// Probe is a request that only wants to know what stands on its way. Output and Evict write down what they are and do not
// go on, so no handler inside of them runs.
type Probe struct {
	mu      sync.Mutex
	outputs []Output
	evicts  []Evict
}

// Output is a policy that a probe met.
type Output struct {
	Route     string
	Policy    string
	Off       bool
	Shared    bool // neither PerUser nor Public
	Public    bool
	Templates []string
	Tags      []string // the templates filled in for this request; nil if they cannot be
}

// Evict is an Evict that a probe met.
type Evict struct {
	Route        string
	Templates    []string
	Transactions []string // what looks like an open transaction in the request's context
}

// With returns ctx as that of a probe.
func With(ctx context.Context, p *Probe) context.Context { return context.WithValue(ctx, Key{}, p) }

// Of returns the probe in ctx, or nil.
func Of(ctx context.Context) *Probe {
	p, _ := ctx.Value(Key{}).(*Probe)
	return p
}

// MetOutput writes down a policy.
func (p *Probe) MetOutput(o Output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outputs = append(p.outputs, o)
}

// MetEvict writes down an Evict.
func (p *Probe) MetEvict(e Evict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.evicts = append(p.evicts, e)
}

// Met returns what the probe has met.
func (p *Probe) Met() ([]Output, []Evict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outputs, p.evicts
}
