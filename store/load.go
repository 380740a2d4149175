package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/internal/flight"
)

// ErrNotFound is what a load returns for something that does not exist. Everybody who asked gets it; with
// [Options.Negative] it is remembered.
var ErrNotFound = errors.New("store: not found")

// PanicError is what callers get when their load has panicked or ended its goroutine.
type PanicError struct {
	Value any    // what it panicked with; nil if it called runtime.Goexit
	Stack []byte // of the load, where it panicked
}

// Error returns what the load panicked with, without the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "store: the load ended its goroutine"
	}
	return fmt.Sprintf("store: the load panicked: %v", e.Value)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// call is one call of GetOrSet or GetOrSetMany that did not find everything in memory, and what of it goes on when its
// caller has left.
type call struct {
	*Store
	kind    *kind
	options Options
	load    func(ctx context.Context, jobs []*job) error
}

// job is one key of a load.
type job struct {
	index  int    // of the key, among those of the call
	many   bool   // the load may be of several
	key    string // as the application knows it
	full   string
	fence  Fence
	base   *value // what is there already, or nil
	flight *flight.Flight[outcome]
	entry  *Entry

	own any   // the loaded value, a pointer
	err error // of this key alone
}

// outcome is what a flight ends with.
type outcome struct {
	kind  outcomeKind
	value *value // stored, fenced, kept
	own   any    // for the one caller that started the load; nil if it is in value
	err   error  // failed, and ErrNotFound
	fleet bool   // another process has loaded and stored it
}

type outcomeKind uint8

const (
	outcomeFailed   outcomeKind = iota // err is for all who wait
	outcomeStored                      // value is stored: for all who joined before it was sealed
	outcomeFenced                      // an eviction came in between: look up again
	outcomeKept                        // not stored: only for those who arrived before the load began
	outcomeUnshared                    // has no encoded form: everybody on their own
	outcomeFound                       // somebody else had just stored it: look up again
)

// limit is how long a load may take.
func (c *call) limit() time.Duration { return max(c.config.LoadTimeout, c.options.Timeout) }

// patience is when a flight is abandoned: a little later, so that a load that heeds its context ends with its own error.
func (c *call) patience() time.Duration { return c.limit() + time.Second }

// detached returns the context of a load: with the values of ctx, but neither its deadline nor its cancellation. It ends
// when the load's time is over, and at Close.
func (c *call) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limit())
	detach := context.AfterFunc(c.life, cancel)
	return ctx, func() {
		detach()
		cancel()
	}
}

// start runs a load of jobs in a goroutine of its own. Its caller waits for each of them by the waiters that start
// returns; when all who wait for any of the jobs have left, the load's context ends.
func (c *call) start(ctx context.Context, jobs []*job) []flight.Waiter[outcome] {
	ctx, cancel := c.detached(ctx)
	waiters := make([]flight.Waiter[outcome], len(jobs))
	watched := newCountdown(len(jobs), cancel)
	for i, j := range jobs {
		waiters[i] = j.flight.Watch(watched.one)
	}
	if !c.begin() {
		// Closed: the callers that wait get this, and nobody else comes.
		cancel()
		c.misses.Add(uint64(len(jobs)))
		for _, j := range jobs {
			j.flight.Finish(outcome{kind: outcomeUnshared})
		}
		return waiters
	}
	go func() {
		defer c.loads.Done()
		defer cancel()
		if c.collapses(jobs) {
			c.runFleet(ctx, jobs[0])
			return
		}
		c.misses.Add(uint64(len(jobs)))
		c.run(ctx, jobs)
	}()
	return waiters
}

// run loads, stores, and gives everybody what they wait for.
func (c *call) run(ctx context.Context, jobs []*job) {
	e := entryOf(jobs)
	began := c.depart()
	contained(func() error { return c.load(context.WithValue(ctx, entryKey{}, e), jobs) }, func(err error) {
		c.report(len(jobs), began, err)
		all := e.end()
		for _, j := range jobs {
			d := all
			if j.entry != nil {
				d = j.entry.end().or(all)
			}
			if j.err == nil {
				j.err = err
			}
			c.finish(ctx, j, d)
		}
	})
}

// alone runs the load in the caller's own goroutine, on its own context, and keeps nothing.
func (c *call) alone(ctx context.Context, jobs []*job) {
	e := entryOf(jobs)
	began := c.depart()
	contained(func() error { return c.load(context.WithValue(ctx, entryKey{}, e), jobs) }, func(err error) {
		c.report(len(jobs), began, err)
		for _, j := range jobs {
			if j.err == nil {
				j.err = err
			}
			if errors.Is(j.err, errNotModified) && j.base != nil {
				j.own, j.err = c.own(j.base)
			}
		}
	})
}

// entryOf returns the entry for a load of jobs, and gives each job its own if there may be several.
func entryOf(jobs []*job) *Entry {
	if !jobs[0].many {
		return &Entry{key: jobs[0].key, base: jobs[0].base}
	}
	e := &Entry{entries: make(map[string]*Entry, len(jobs))}
	for _, j := range jobs {
		j.entry = &Entry{key: j.key, base: j.base}
		e.entries[j.key] = j.entry
	}
	return e
}

// depart counts a load in, and report out.
func (c *call) depart() (began time.Time) {
	c.loaded.Add(1)
	c.loading.Add(1)
	return time.Now()
}

// report says how a load went.
func (c *call) report(keys int, began time.Time, err error) {
	c.loading.Add(-1)
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		c.config.Logger.Error("load panicked", "error", err, "stack", string(panicked.Stack))
	}
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, errNotModified) {
		c.failed.Add(1)
	}
	if o := c.config.Observer; o != nil {
		o.Loaded(Event{Keys: keys, Duration: time.Since(began), Err: err})
	}
}

// contained calls then with f's error, and with a [PanicError] if f panics or ends its goroutine.
func contained(f func() error, then func(error)) {
	var err error
	returned := false
	defer func() {
		if !returned {
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		then(err)
	}()
	err = f()
	returned = true
}

// finish stores what a job has loaded, and ends its flight.
func (c *call) finish(ctx context.Context, j *job, d decided) {
	o := outcome{kind: outcomeKept}
	record := Record{Fence: j.fence, Sliding: c.options.Sliding}
	switch {
	case j.err == nil:
		payload, copied, err := c.encode(j.own)
		if err != nil {
			c.config.Logger.Error("value not kept: it has no encoded form, or cannot be read back from it", "error", err)
			j.flight.Finish(outcome{kind: outcomeUnshared, own: j.own})
			return
		}
		o.own = copied
		o.value = &value{etag: d.etag, payload: payload}
		if c.kind.plain || c.options.Immutable {
			o.value.shared = copied
		}
		if !d.modified.IsZero() {
			o.value.modified = d.modified.Unix()
		}
	case errors.Is(j.err, errNotModified) && j.base != nil:
		copied := *j.base
		o.value = &copied
		for _, tag := range j.base.tags {
			d.tags = append(d.tags, strings.Clone(tag)) // it may be a part of the old record, which must not live on in the new
		}
	case errors.Is(j.err, ErrNotFound):
		o.err = j.err
		o.value = &value{absent: true}
	default:
		if j.base != nil {
			c.throttled.add(j.full, c.config.Throttle)
		}
		j.flight.Finish(outcome{kind: outcomeFailed, err: j.err})
		return
	}
	o.value.id = c.kind.id
	c.throttled.remove(j.full)
	reason := c.admit(o.value, &record, &d)
	c.at("load")
	if !j.flight.Seal() {
		return // nobody waits for it any more, and another load may be under way
	}
	c.at("seal")
	if reason == "" {
		record.Value = o.value.encode(j.key)
		o.kind = c.keep(ctx, j, record)
	} else {
		c.config.Logger.Debug("value not kept", "reason", reason)
		c.leave(ctx, j)
	}
	c.at("store")
	j.flight.Finish(o)
}

// admit decides whether a value is kept, and completes it and its record. It returns why not, or "".
func (c *call) admit(v *value, r *Record, d *decided) (reason string) {
	o := &c.options
	ttl, until := o.TTL, o.Until
	if d.hasTTL {
		ttl = d.ttl
	}
	if !d.until.IsZero() {
		until = d.until
	}
	jitter, tail := o.Jitter, o.StaleIfError
	if v.absent {
		// Absence is not worth being kept beyond its time, nor asked about before it is over.
		ttl, until, tail, r.Sliding = o.Negative, time.Time{}, 0, 0
	}
	r.Tags = slices.Compact(slices.Sorted(slices.Values(slices.Concat(o.Tags, d.tags))))
	v.tags = r.Tags
	switch err := checkTags(r.Tags); {
	case d.noStore, v.absent && o.Negative == 0, d.hasTTL && d.ttl <= 0:
		return "no-store"
	case err != nil:
		c.config.Logger.Error("value not kept: a tag of its load is invalid") // not the tag: it may hold a user's id
		return "tag"
	case int64(len(v.payload)) > o.maxBytes():
		return "too-large"
	}
	v.fresh, v.tail = lifetime(ttl, until, jitter), tail
	if v.fresh <= 0 {
		return "expired"
	}
	if v.tail > math.MaxInt64-v.fresh {
		v.tail = math.MaxInt64 - v.fresh
	}
	r.TTL = v.fresh + v.tail
	return ""
}

// keep hands a record to the backend.
func (c *call) keep(ctx context.Context, j *job, r Record) outcomeKind {
	verdict, err := c.backend.Store(context.WithoutCancel(ctx), j.full, r)
	switch verdict {
	case Stored:
		c.stored.Add(1)
		return outcomeStored
	case Fenced:
		c.fenced.Add(1)
		return outcomeFenced
	case Unknown, Refused:
	}
	if err != nil {
		c.config.Logger.Warn("value not kept", "verdict", verdict.String(), "error", err)
	}
	return outcomeKept
}

// leave lets go of what is stored already and was found to be wrong: no failure of a later load is to bring it back.
func (c *call) leave(ctx context.Context, j *job) {
	if j.base == nil {
		return
	}
	if err := c.backend.Delete(context.WithoutCancel(ctx), j.full); err != nil {
		c.config.Logger.Warn("value not deleted", "error", err)
	}
}

// encode returns the encoded form of a loaded value, and what that is decoded to: even the caller that started the load
// gets this, so that what the codec loses is missing from the first time on, and nothing is shared with the load.
func (c *call) encode(own any) (data []byte, copied any, err error) {
	contained(func() error {
		if data, err = c.kind.encode(own); err != nil {
			return err
		}
		copied, err = c.kind.decode(data)
		return err
	}, func(e error) { err = e })
	return data, copied, err
}

// own returns what a value was decoded to, for one caller or, where that is safe, for all.
func (c *call) own(v *value) (any, error) {
	switch {
	case v.absent:
		return nil, ErrNotFound
	case v.shared != nil && (c.kind.plain || c.options.Immutable):
		return v.shared, nil
	}
	return c.kind.decode(v.payload)
}

// countdown calls end when the last of n has called one.
type countdown struct {
	left atomic.Int64
	end  func()
}

func newCountdown(n int, end func()) *countdown {
	c := &countdown{end: end}
	c.left.Store(int64(n))
	return c
}

func (c *countdown) one() {
	if c.left.Add(-1) == 0 {
		c.end()
	}
}
