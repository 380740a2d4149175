package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/echocache/echocache/store"
)

func historyTag(kind string, key int) string { return fmt.Sprintf("%s:%d", kind, key) }

// options returns one of the history's, with a tag of the row.
func (w *historyWorld) options(e historyEvent) store.Options {
	o := w.Options[e.With%len(w.Options)]
	o.Immutable = w.Tongue == "immutable"
	o.Tags = []string{historyTag("row", e.Key)}
	return o
}

func (w *historyWorld) hasSet() bool {
	return slices.ContainsFunc(w.Events, func(e historyEvent) bool { return e.Kind == "set" })
}

// historyLong is longer than anything takes whose end somebody tells it of.
const historyLong = 10 * time.Second

func (w *historyWorld) happen(e historyEvent) {
	ctx, began := context.Background(), time.Now()
	defer func() {
		if d := time.Since(began); d > historyLong {
			w.fault("%s %d: took %s", e.Kind, e.Key, d)
		}
	}()
	switch e.Kind {
	case "get or set":
		w.getOrSet(ctx, e)
	case "leave": // a caller that goes away while it waits
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		timer := time.AfterFunc(time.Duration(e.With)*time.Millisecond, func() {
			w.left.Store(true)
			cancel()
		})
		defer timer.Stop()
		w.getOrSet(ctx, e)
	case "many":
		w.getMany(ctx, e)
	case "get":
		w.get(ctx, e)
	case "set":
		w.set(ctx, e)
	case "write through":
		w.writeThrough(ctx, e)
	case "other type": // drops what it cannot read
		if _, found, err := store.Get[int](ctx, w.store, historyName(e.Key)); found || err != nil {
			w.fault("a row is a number: %v, %v", found, err)
		}
	case "reload": // forgets what has not changed
		w.forget(ctx, e, e.Key)
	default: // "write", "remove"
		w.pause()
		w.source.publish(w.source.draft(e.Key), e.Kind == "write")
		w.pause()
		w.forget(ctx, e, e.Key)
	}
}

// forget evicts or deletes a row in one of the ways there are.
func (w *historyWorld) forget(ctx context.Context, e historyEvent, key int) {
	began := w.source.now()
	keys := []int{key}
	var err error
	switch e.With % 5 {
	case 0:
		err = w.store.Delete(ctx, historyName(key))
	case 1:
		err = w.store.Evict(ctx, "unknown", historyTag("row", key))
	case 2:
		err = w.store.Evict(ctx, historyTag("late", key))
	case 3:
		keys = []int{0, 1, 2}
		err = w.store.Evict(ctx, historyTag("row", 0), historyTag("late", 1), historyTag("row", 2))
	default:
		keys = []int{key, (key + 1) % historyKeys}
		err = w.store.Delete(ctx, historyName(keys[0]), historyName(keys[1]))
	}
	if err != nil {
		w.fault("%s %d: %v", e.Kind, key, err)
		return
	}
	w.source.forgotten(began, keys...)
}

func (w *historyWorld) getOrSet(ctx context.Context, e historyEvent) {
	least, arrived, o := w.source.least(), time.Now(), w.options(e)
	stamp, err := w.tongue.getOrSet(ctx, w, e.Key, o)
	switch {
	case err == nil:
		w.judge(e.Kind, e.Key, stamp, least, arrived)
	case errors.Is(err, store.ErrNotFound):
		w.judgeAbsent(e.Kind, e.Key, least, arrived)
	default:
		w.judgeError(e.Kind, e.Key, err, e.Kind == "leave", o)
	}
}

func (w *historyWorld) getMany(ctx context.Context, e historyEvent) {
	keys := []int{e.Key, (e.Key + 1) % historyKeys, e.Key}
	if e.With%3 == 0 {
		keys = []int{2, 1, 0, e.Key}
	}
	least, arrived, o := w.source.least(), time.Now(), w.options(e)
	o.Tags = nil // the load has to say
	found, err := w.tongue.getMany(ctx, w, keys, o)
	if err != nil {
		w.judgeError(e.Kind, e.Key, err, false, o)
		return
	}
	for _, key := range keys {
		if stamp, ok := found[key]; ok {
			w.judge(e.Kind, key, stamp, least, arrived)
		} else {
			w.judgeAbsent(e.Kind, key, least, arrived)
		}
	}
}

func (w *historyWorld) get(ctx context.Context, e historyEvent) {
	least, arrived := w.source.least(), time.Now()
	stamp, found, err := w.tongue.get(ctx, w, e.Key)
	if err != nil {
		w.fault("get %d: %v", e.Key, err)
	}
	if found {
		w.judge(e.Kind, e.Key, stamp, least, arrived)
	}
}

// set hands the store what the source says now.
func (w *historyWorld) set(ctx context.Context, e historyEvent) {
	stamp, ok := w.source.read(e.Key)[e.Key]
	if !ok {
		return
	}
	o := w.options(e)
	o.Tags = append(o.Tags, historyTag("late", e.Key))
	w.source.setting(stamp, false)
	err := w.tongue.set(ctx, w, e.Key, o, stamp)
	w.source.setting(stamp, true)
	if err != nil {
		w.fault("set %d: %v", e.Key, err)
		return
	}
	w.source.forgotten(stamp.Read, e.Key)
}

func (w *historyWorld) writeThrough(ctx context.Context, e historyEvent) {
	o := w.options(e)
	o.Tags = append(o.Tags, historyTag("late", e.Key))
	keys := []int{e.Key}
	if other := (e.Key + 1) % historyKeys; e.With%3 == 0 {
		o.Tags, keys = append(o.Tags, historyTag("row", other)), append(keys, other)
	}
	began, err := w.tongue.writeThrough(ctx, w, e.Key, o)
	switch {
	case err == nil:
		w.source.forgotten(began, keys...)
	case !errors.Is(err, errHistory):
		w.fault("write through %d: %v", e.Key, err)
	}
}
