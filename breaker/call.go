package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
)

// places bounds how many calls are at the backend at once. A call that nobody waits for any more keeps its place until
// the backend returns, so that a backend that hangs costs so many goroutines and no more.
type places chan struct{}

// drain waits until nobody has a place, and takes all of them: afterwards no call begins. It reports false if ctx ends
// before.
func (p places) drain(ctx context.Context) bool {
	for range cap(p) {
		select {
		case p <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// errExited is the outcome of a call whose backend ended its goroutine.
var errExited = errors.New("the backend called runtime.Goexit")

type result[T any] struct {
	value    T
	err      error
	panicked any
}

// within runs f in a goroutine of its own and returns its result, or the cause of ctx's end as soon as that has come,
// whether or not f heeds it. Without a place it returns errBusy at once. A panic of f is passed on to the caller, or
// logged if the caller has left.
func within[T any](
	ctx context.Context, in places, logger *slog.Logger, f func(context.Context) (T, error),
) (T, error) {
	var none T
	select {
	case in <- struct{}{}:
	default:
		return none, errBusy
	}
	answered := make(chan result[T], 1)
	var left atomic.Bool
	go func() {
		r := result[T]{err: errExited}
		defer func() {
			if r.panicked = recover(); r.panicked != nil && left.Load() {
				logger.Error("backend panicked after its time was over", "panic", r.panicked)
			}
			<-in
			answered <- r
		}()
		r.value, r.err = f(ctx)
	}()
	select {
	case r := <-answered:
		return r.pass()
	case <-ctx.Done():
	}
	left.Store(true)
	select {
	case r := <-answered: // both at once
		return r.pass()
	default:
		return none, context.Cause(ctx)
	}
}

func (r result[T]) pass() (T, error) {
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.value, r.err
}
