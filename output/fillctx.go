package output

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/echocache/echocache/internal/mark"
)

// fillContext is the context under which a handler makes a page for everybody who waits. Its client cannot cancel it;
// it ends at the request's own deadline or after the cache's patience, whichever is sooner, and when the cache closes.
//
// Once the answer goes straight to the client (a stream, an upgraded connection), the page is nobody else's: attach
// gives it back to its client, whose cancellation counts from then on, and the cache's patience does not.
type fillContext struct {
	context.Context // cancelled by cancel
	cancel          context.CancelCauseFunc
	fill            *Fill
	client          context.Context

	mu       sync.Mutex
	deadline time.Time   // zero = none
	patience *time.Timer // nil once attached
	detach   func() bool // stops listening to the cache's end
}

func newFillContext(client, cache context.Context, patience time.Duration, f *Fill) *fillContext {
	c := &fillContext{fill: f, client: client}
	c.Context, c.cancel = context.WithCancelCause(context.WithoutCancel(client))
	c.deadline = time.Now().Add(patience)
	if own, ok := client.Deadline(); ok && own.Before(c.deadline) {
		c.deadline = own
	}
	c.patience = time.AfterFunc(time.Until(c.deadline), func() { c.cancel(context.DeadlineExceeded) })
	c.detach = context.AfterFunc(cache, func() { c.cancel(context.Canceled) })
	return c
}

// attach hands the context back to its client.
func (c *fillContext) attach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.patience == nil {
		return
	}
	c.patience.Stop()
	c.patience = nil
	c.deadline, _ = c.client.Deadline()
	c.detach()
	stop := context.AfterFunc(c.client, func() { c.cancel(c.client.Err()) })
	c.detach = stop
}

// end releases what the context holds. The context is cancelled, as net/http cancels a request's.
func (c *fillContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.patience != nil {
		c.patience.Stop()
	}
	c.detach()
	c.cancel(context.Canceled)
}

// Deadline returns the time at which the context ends by itself.
func (c *fillContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deadline, !c.deadline.IsZero()
}

// Err tells a deadline from a cancellation, as a context with a deadline does.
func (c *fillContext) Err() error {
	if c.Context.Err() == nil {
		return nil
	}
	if errors.Is(context.Cause(c.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value answers for the fill itself and otherwise as the client's context does.
func (c *fillContext) Value(key any) any {
	if key == (mark.Key{}) {
		return c.fill
	}
	return c.Context.Value(key)
}

// fillOf returns the innermost fill under way in ctx, or nil. One that has left (see [Fill.leave]) is none.
func fillOf(ctx context.Context) *Fill {
	f, _ := ctx.Value(mark.Key{}).(*Fill)
	if f != nil && f.aside.Load() {
		return nil
	}
	return f
}
