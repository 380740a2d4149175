package breaker

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/store"
)

// How long the keeper waits, give or take a fifth, so that many instances do not come back at once.
const (
	firstProbe, lastProbe = time.Second, 10 * time.Second
	// Where evictions are queued this is how soon an outage is seen to be over: one call a second is no burden.
	firstRetry, lastRetry = 50 * time.Millisecond, time.Second
)

// batch is how many names one eviction takes at most.
const batch = 256

// keeper is the breaker's own goroutine: it has evictions confirmed and asks whether the backend is back. What is not
// said to be otherwise belongs to that goroutine alone.
type keeper struct {
	b      *Breaker
	places places // one: a call that hangs stands for the next as well
	wake   chan struct{}
	heard  atomic.Bool // somebody has heard of the backend

	life   context.Context //nolint:containedctx // of what it does before Close
	cut    context.CancelFunc
	ending context.Context //nolint:containedctx // written before stop is closed: until when to try yet
	stop   chan struct{}
	gone   chan struct{}

	task           task
	due            time.Time // of task
	probeDue       time.Time
	retries, tries int       // in vain, in a row
	closed         time.Time // when a probe has closed the breaker
	again          int       // how often, in a row, it has opened soon after that
	told           State
}

// task is what there is to do.
type task uint8

const (
	nothing task = iota
	retry        // what is queued
	probe        // the backend
)

func newKeeper(b *Breaker) *keeper {
	k := &keeper{
		b: b, places: make(places, 1),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), gone: make(chan struct{}),
	}
	k.life, k.cut = context.WithCancel(context.Background())
	return k
}

// poke says that there may be something to do. Anybody may call it; it never waits.
func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// end lets the keeper try until ctx ends, and waits for it. It reports false if it is held up, which only a callback
// or a disk can do. Close calls it, once.
func (k *keeper) end(ctx context.Context) bool {
	k.ending = ctx
	close(k.stop)
	k.cut()
	select {
	case <-k.gone:
		return true
	case <-time.After(2 * closeWait):
		return false
	}
}

func (k *keeper) run() {
	defer close(k.gone)
	for {
		k.tell()
		k.plan()
		var timer *time.Timer
		var due <-chan time.Time
		if k.task != nothing {
			timer = time.NewTimer(time.Until(k.due))
			due = timer.C
		}
		select {
		case <-k.stop:
			k.finish()
			return
		case <-k.wake:
			if k.heard.Swap(false) {
				k.hasten()
			}
		case <-due:
			k.attend()
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// plan decides what to do next, and when.
func (k *keeper) plan() {
	pending := k.b.Pending() > 0
	tripped, behind := k.b.ledger.opened()
	next := nothing
	switch {
	case pending:
		next = retry
	case behind:
		next = probe
	}
	if !tripped {
		k.probeDue = time.Time{}
	} else if k.probeDue.IsZero() {
		k.opened()
		k.probeDue = time.Now().Add(backoff(firstProbe, lastProbe, k.tries))
	}
	if next != k.task && next == retry {
		k.retries = 0
		k.due = time.Now().Add(backoff(firstRetry, lastRetry, 0))
	}
	if next == probe {
		k.due = k.probeDue
	}
	k.task = next
}

// opened notes that the breaker has. If that happens again and again soon after a probe has closed it, the backend is well
// until it is asked in earnest; callers are not to pay for that with their budgets every second, so the first wait is the
// second one of others.
func (k *keeper) opened() {
	if k.closed.IsZero() || time.Since(k.closed) >= window {
		k.again = 0
	} else {
		k.again++
	}
	k.tries = 0
	if k.restless() {
		k.tries = 1
	}
}

// restless reports whether good news are to be waited out.
func (k *keeper) restless() bool { return k.again > 1 }

// settle is how long, after somebody has heard of the backend, it is not believed yet: other instances have evictions
// queued, and what they send at once comes first.
const settle = 300 * time.Millisecond

// hasten does not wait out what is left of the waits.
func (k *keeper) hasten() {
	now := time.Now()
	if k.task == retry {
		k.retries, k.due = 0, now
	}
	if tripped, _ := k.b.ledger.opened(); tripped && !k.restless() && k.probeDue.After(now.Add(settle)) {
		k.tries, k.probeDue = 0, now.Add(settle)
	}
}

// backoff returns how long to wait after so many tries in vain.
func backoff(first, last time.Duration, tries int) time.Duration {
	d := min(first<<min(tries, 16), last)
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// attend does what is due.
func (k *keeper) attend() {
	if k.task == probe {
		k.probe(k.life)
		return
	}
	if !k.replay(k.life) {
		k.retries++
		if k.retries&(k.retries-1) == 0 { // less often the longer it lasts
			k.b.config.Logger.Warn("evictions not confirmed yet",
				"name", k.b.config.Name, "pending", k.b.Pending(), "tries", k.retries)
		}
		k.due = time.Now().Add(backoff(firstRetry, lastRetry, k.retries))
		return
	}
	// That the backend has confirmed what it did not before is news of it.
	if tripped, _ := k.b.ledger.opened(); tripped && (k.retries > 0 && !k.restless() || !time.Now().Before(k.probeDue)) {
		k.probe(k.life)
	}
	k.task = nothing // what was queued meanwhile begins anew
}

// probe asks the backend for a look-up, and tells gobreaker. Before, it may take longer once, to get connected.
func (k *keeper) probe(ctx context.Context) {
	b := k.b
	b.probing.Store(true)
	k.tell()
	defer b.probing.Store(false)
	done, err := b.circuit.Allow()
	if err != nil { // a caller who is about to notice that it is open
		k.probeDue = time.Now().Add(firstRetry)
		return
	}
	class := k.ask(ctx)
	done(outcome(class))
	if class == Success {
		k.closed, k.probeDue = time.Now(), time.Time{}
		return
	}
	k.tries++
	k.probeDue = time.Now().Add(backoff(firstProbe, lastProbe, k.tries))
}

func (k *keeper) ask(ctx context.Context) Class {
	b := k.b
	connect := func(ctx context.Context) error {
		_, err := b.backend.Lookup(ctx, probeKey)
		return err
	}
	if p, ok := store.As[interface{ Ping(context.Context) error }](b.backend); ok {
		connect = p.Ping
	}
	if class := k.try(ctx, b.config.EvictTimeout, connect); class != Success {
		return class
	}
	began := time.Now()
	return b.patient(k.try(ctx, b.config.LookupTimeout, func(ctx context.Context) error {
		_, err := b.backend.Lookup(ctx, probeKey)
		return err
	}), began)
}

// probeKey is a key that nobody else has: kind "probe", then nothing.
const probeKey = "\x05probe"

// try calls the backend within a budget. Anything but a success is a failure.
func (k *keeper) try(ctx context.Context, d time.Duration, f func(context.Context) error) Class {
	class, _ := k.call(ctx, d, f)
	if class.orFailure() == Success {
		return Success
	}
	return Failure
}

// call calls the backend within a budget and returns what its error means. There is nobody to pass a panic on to: it is
// a failure.
func (k *keeper) call(ctx context.Context, d time.Duration, f func(context.Context) error) (Class, error) {
	budget, cancel := context.WithTimeoutCause(ctx, d, overdue{})
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				k.b.config.Logger.Error("backend panicked", "name", k.b.config.Name, "panic", p)
				a = answer{Failure, errExited}
			}
			answered <- a
		}()
		_, err := within(budget, k.places, k.b.config.Logger, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, f(ctx)
		})
		a = answer{k.b.judge(ctx, budget, err), err}
	}()
	for {
		select {
		case a := <-answered:
			return a.class, a.err
		case <-k.wake:
			defer k.poke() // it is not dealt with, but what has changed is told now: the call may take its time
			k.tell()
		}
	}
}

type answer struct {
	class Class
	err   error
}

// replay sends what is queued to the backend, and reports whether all that was queued when it began is confirmed.
func (k *keeper) replay(ctx context.Context) bool {
	sent, confirmed := k.b.ledger.pending(), true
	for answers := true; answers && len(sent) > 0; {
		n := 1
		for n < min(len(sent), batch) && sent[n].kind == sent[0].kind {
			n++
		}
		var all bool
		all, answers = k.confirm(ctx, sent[:n])
		confirmed = confirmed && all
		sent = sent[n:]
	}
	k.tidy()
	return confirmed && len(sent) == 0
}

// confirm has names of one kind evicted. It reports whether all are confirmed, and whether the backend answers: if it
// does not, others would wait in vain as well; if it does, one of them is not to its liking and must not keep the
// others.
func (k *keeper) confirm(ctx context.Context, sent []queued) (all, answers bool) {
	texts := make([]string, len(sent))
	for i, q := range sent {
		texts[i] = q.text
	}
	class, err := k.call(ctx, k.b.config.EvictTimeout, func(ctx context.Context) error {
		return k.b.send(ctx, sent[0].kind, texts)
	})
	switch {
	case err == nil:
		k.b.ledger.confirm(sent)
		return true, true
	case class == Failure || class == Ignored:
		return false, false
	case len(sent) == 1:
		return false, true
	}
	half := len(sent) / 2
	one, answers := k.confirm(ctx, sent[:half])
	if !answers {
		return false, false
	}
	other, answers := k.confirm(ctx, sent[half:])
	return one && other, answers
}

// tidy shortens the journal file.
func (k *keeper) tidy() {
	if k.b.file == nil {
		return
	}
	if err := k.b.file.tidy(k.b.ledger.names, k.b.ledger.saved); err != nil {
		k.b.config.Logger.Error("journal file not written", "name", k.b.config.Name, "error", err)
	}
}

// finish is the last try.
func (k *keeper) finish() {
	for tries := 0; k.b.Pending() > 0; tries++ {
		if k.replay(k.ending) {
			continue
		}
		select {
		case <-time.After(backoff(firstRetry, lastRetry, tries)):
		case <-k.ending.Done():
			return
		}
	}
	k.tidy()
}

// tell tells of a change of state, if there was one.
func (k *keeper) tell() {
	b, from, to := k.b, k.told, k.b.State()
	if from == to || b.ledger.mode.Load() == over {
		return
	}
	k.told = to
	switch to {
	case Open:
		if from == Closed {
			b.config.Logger.Warn("breaker opened: look-ups are misses until the backend is back",
				"name", b.config.Name, "pending", b.Pending())
		}
	case Closed:
		b.config.Logger.Info("breaker closed", "name", b.config.Name)
	default:
	}
	if b.config.OnStateChange != nil {
		b.config.OnStateChange(from, to)
	}
}
