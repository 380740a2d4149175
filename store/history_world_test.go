package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/store"
)

var errHistory = errors.New("the source is out of order")

// historyWorld is an application with its store and its source while a history runs.
type historyWorld struct {
	history

	store  *store.Store
	source *historySource
	tongue historyTongue
	paused atomic.Int64
	loaded atomic.Int64
	left   atomic.Bool // somebody has left, or a load hangs: one may be under way that nobody waits for

	mu    sync.Mutex
	wrong []string
	alone int // loads that a caller shared with nobody
	kept  int // values that were there in the end
}

func (w *historyWorld) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// pause sleeps for the next pause of the history, and a little that differs each time: where no two wake at one moment, a
// history means the same whenever it is played.
func (w *historyWorld) pause() {
	n := int(w.paused.Add(1))
	time.Sleep(w.Pauses[n%len(w.Pauses)] + time.Duration(n)*977*time.Nanosecond)
}

// pauses is so long that others can look up meanwhile and still come in time to wait.
func (w *historyWorld) pauses() {
	for range 4 {
		w.pause()
	}
}

func (w *historyWorld) yield(point string) {
	if point == "store" {
		w.pauses()
	} else {
		w.pause()
	}
}

// run plays the history and returns the world as it was left. It must be called in a bubble.
func (h history) run(open func() store.Backend) *historyWorld {
	w := &historyWorld{history: h, source: newHistorySource(), tongue: historyTongues(h.Padding)[h.Tongue]}
	w.store = store.New(historySlow(open(), w.pause), store.Config{Throttle: historyThrottle, LoadTimeout: historyTimeout})
	w.store.SetYield(w.yield)
	var all sync.WaitGroup
	for i, e := range h.Events {
		all.Go(func() {
			time.Sleep(e.At + time.Duration(i)*103*time.Nanosecond)
			w.happen(e)
		})
	}
	all.Wait()
	for range 5 { // also of what loads store for which nobody waits
		w.conclude()
		time.Sleep(historyHang / 4)
	}
	if err := w.store.Close(); err != nil {
		w.fault("close: %v", err)
	}
	if n := w.store.Stats().Loading; n != 0 {
		w.fault("%d loads are under way after the end", n)
	}
	return w
}

// conclude looks at every row once more, now that nobody writes: what is there must be what the source says.
func (w *historyWorld) conclude() {
	for key := range historyKeys {
		least, arrived := w.source.least(), time.Now()
		stamp, found, err := w.tongue.get(context.Background(), w, key)
		if err != nil {
			w.fault("get %d: %v", key, err)
		}
		if !found {
			continue
		}
		w.kept++
		w.judge("conclude", key, stamp, least, arrived)
		version, present := w.source.version(key)
		if !w.hasSet() && (!present || stamp.Version != version) {
			w.fault("row %d: %d is left in the cache, the source says %d, %v", key, stamp.Version, version, present)
		}
	}
}

// load reads the source for a load of keys, and takes its time before and after.
func (w *historyWorld) load(ctx context.Context, many bool, keys ...int) (map[int]historyStamp, error) {
	how := w.Loads[int(w.loaded.Add(1))%len(w.Loads)]
	if how == "hangs" {
		w.left.Store(true)
	}
	defer w.loading(ctx, keys)()
	w.pause()
	found := w.source.read(keys...)
	w.pauses()
	e := store.Current(ctx)
	if how == "not modified" && w.unmodified(e, keys, found) {
		return nil, e.NotModified()
	}
	for _, key := range keys {
		one := e.Of(historyName(key))
		one.Tag(historyTag("late", key))
		if many {
			one.Tag(historyTag("row", key))
		}
		if stamp, ok := found[key]; ok {
			one.SetValidators(strconv.FormatInt(stamp.Version, 10), time.Time{})
		}
	}
	switch how {
	case "hangs":
		time.Sleep(historyHang)
	case "fails":
		return nil, errHistory
	case "panics":
		panic(errHistory)
	case "no-store":
		e.NoStore()
	case "short":
		e.TTL(2 * time.Millisecond)
	}
	return found, nil
}

// loading counts a load, and checks that it is the only one of each of its keys that callers share.
func (w *historyWorld) loading(ctx context.Context, keys []int) (end func()) {
	if _, shared := ctx.Deadline(); !shared { // a caller's own context has none here
		w.mu.Lock()
		defer w.mu.Unlock()
		w.alone++
		return func() {}
	}
	if n := w.source.loading(1, keys...); n > 1 && !w.left.Load() {
		w.fault("%d loads of one of %d at once", n, keys)
	}
	if w.store.Stats().Loading < 1 {
		w.fault("a load is under way and not counted")
	}
	return func() { w.source.loading(-1, keys...) }
}

// unmodified reports whether the values that are there are what was found, and notes it.
func (w *historyWorld) unmodified(e *store.Entry, keys []int, found map[int]historyStamp) bool {
	for _, key := range keys {
		stamp, ok := found[key]
		etag, _ := e.Of(historyName(key)).Validators()
		if !ok || etag != strconv.FormatInt(stamp.Version, 10) {
			return false
		}
	}
	for _, stamp := range found {
		w.source.confirm(stamp)
	}
	return true
}

// write is what WriteThrough calls.
func (w *historyWorld) write(draft historyStamp) (tick int64, err error) {
	w.pause()
	defer w.pause()
	if w.Loads[int(w.loaded.Add(1))%len(w.Loads)] == "fails" {
		return 0, errHistory
	}
	return w.source.publish(draft, true), nil
}

// judge checks a value that somebody was given who arrived at a moment.
func (w *historyWorld) judge(kind string, key int, stamp historyStamp, least [historyKeys]int64, arrived time.Time) {
	if stamp.Key != key {
		w.fault("%s %d: given row %d (-1: another caller's copy)", kind, key, stamp.Key)
		return
	}
	seen := w.source.seen(stamp)
	switch {
	case seen.at.IsZero():
		w.fault("%s %d: given %d, which was never written", kind, key, stamp.Version)
	case seen.tick < least[key]:
		w.fault("%s %d: after what was forgotten at %d, given %d as read at %d", kind, key, least[key], stamp.Version, seen.tick)
	case arrived.Sub(seen.at) > w.oldest(kind):
		w.fault("%s %d: given what is %s old", kind, key, arrived.Sub(seen.at))
	}
}

// judgeAbsent checks the news that a row is not there.
func (w *historyWorld) judgeAbsent(kind string, key int, least [historyKeys]int64, arrived time.Time) {
	switch seen := w.source.absent(key); {
	case seen.at.IsZero():
		w.fault("%s %d: not found, and was never absent", kind, key)
	case seen.tick < least[key]:
		w.fault("%s %d: after what was forgotten at %d, not found as at %d", kind, key, least[key], seen.tick)
	case arrived.Sub(seen.at) > w.oldest(kind):
		w.fault("%s %d: not found, which is %s old", kind, key, arrived.Sub(seen.at))
	}
}

// judgeError checks an error: it must have a reason.
func (w *historyWorld) judgeError(kind string, key int, err error, left bool, o store.Options) {
	switch {
	case errors.Is(err, errHistory):
	case errors.Is(err, context.Canceled) && left:
	case errors.Is(err, context.DeadlineExceeded) && (o.Timeout > 0 || slices.Contains(w.Loads, "hangs")):
	default:
		w.fault("%s %d: %v", kind, key, err)
	}
}

// oldest is how old a value may be that somebody is given: as long as any options allow, and the way to the backend.
// What is not fresh any more is given to nobody who does not load, and only for a load that fails or takes long.
func (w *historyWorld) oldest(kind string) time.Duration {
	const steps = 15 // between the source and the backend, at most
	var kept, tail, slow time.Duration
	late := slices.ContainsFunc(w.Loads, func(how string) bool { return slices.Contains([]string{"fails", "panics", "hangs"}, how) })
	for _, o := range w.Options {
		kept, tail = max(kept, o.TTL, o.Negative), max(tail, o.TTL+o.StaleIfError)
		late = late || o.SoftTimeout > 0 || o.Timeout > 0
	}
	for _, d := range w.Pauses {
		slow = max(slow, d)
	}
	if late && kind != "get" && kind != "conclude" {
		kept = max(kept, tail)
	}
	return kept + steps*slow + historyStep/2
}
