package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/echocache/echocache/store"
)

// historyTongue speaks to a store in values of one type.
type historyTongue interface {
	getOrSet(ctx context.Context, w *historyWorld, key int, o store.Options) (historyStamp, error)
	getMany(ctx context.Context, w *historyWorld, keys []int, o store.Options) (map[int]historyStamp, error)
	get(ctx context.Context, w *historyWorld, key int) (historyStamp, bool, error)
	set(ctx context.Context, w *historyWorld, key int, o store.Options, v historyStamp) error
	writeThrough(ctx context.Context, w *historyWorld, key int, o store.Options) (began int64, err error)
}

// historyDeep is a stamp that callers could share by mistake.
type historyDeep struct {
	historyStamp

	Notes []string
}

// historyTongues by the name that a history gives.
func historyTongues(padding int) map[string]historyTongue {
	deep := func(s historyStamp) historyDeep {
		return historyDeep{s, []string{"clean", strings.Repeat("x", padding)}}
	}
	return map[string]historyTongue{
		"plain": tongue[historyStamp]{
			func(s historyStamp) historyStamp { return s }, func(s historyStamp) historyStamp { return s },
		},
		"deep":      tongue[historyDeep]{deep, func(v historyDeep) historyStamp { return v.take(true) }},
		"immutable": tongue[historyDeep]{deep, func(v historyDeep) historyStamp { return v.take(false) }},
	}
}

// take reads the value, and then spoils it, which must not be seen by anybody else.
func (v historyDeep) take(spoil bool) historyStamp {
	if len(v.Notes) == 0 || v.Notes[0] != "clean" {
		return historyStamp{Key: -1}
	}
	if spoil {
		v.Notes[0] = "spoilt"
	}
	return v.historyStamp
}

func historyName(key int) string { return fmt.Sprintf("row %d", key) }

type tongue[T any] struct {
	to   func(historyStamp) T
	from func(T) historyStamp
}

func (t tongue[T]) getOrSet(ctx context.Context, w *historyWorld, key int, o store.Options) (historyStamp, error) {
	v, err := store.GetOrSet(ctx, w.store, historyName(key), o, func(ctx context.Context) (T, error) {
		var none T
		found, err := w.load(ctx, false, key)
		if err != nil {
			return none, err
		}
		stamp, ok := found[key]
		if !ok {
			return none, fmt.Errorf("row %d: %w", key, store.ErrNotFound)
		}
		return t.to(stamp), nil
	})
	if err != nil {
		return historyStamp{}, err
	}
	return t.from(v), nil
}

func (t tongue[T]) getMany(ctx context.Context, w *historyWorld, keys []int, o store.Options) (map[int]historyStamp, error) {
	load := func(ctx context.Context, keys []int) (map[int]T, error) {
		found, err := w.load(ctx, true, keys...)
		return historyMap(found, t.to), err
	}
	all, err := store.GetOrSetMany(ctx, w.store, keys, historyName, o, load)
	for key := range all {
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("row %d was not asked for", key)
		}
	}
	return historyMap(all, t.from), err
}

func historyMap[A, B any](all map[int]A, f func(A) B) map[int]B {
	mapped := make(map[int]B, len(all))
	for key, a := range all {
		mapped[key] = f(a)
	}
	return mapped
}

func (t tongue[T]) get(ctx context.Context, w *historyWorld, key int) (historyStamp, bool, error) {
	v, found, err := store.Get[T](ctx, w.store, historyName(key))
	if !found || err != nil {
		return historyStamp{}, false, err
	}
	return t.from(v), true, nil
}

func (t tongue[T]) set(ctx context.Context, w *historyWorld, key int, o store.Options, v historyStamp) error {
	return store.Set(ctx, w.store, historyName(key), o, t.to(v))
}

// writeThrough returns the tick of the write.
func (t tongue[T]) writeThrough(ctx context.Context, w *historyWorld, key int, o store.Options) (began int64, err error) {
	draft := w.source.draft(key)
	err = store.WriteThrough(ctx, w.store, historyName(key), o, t.to(draft), func(context.Context, T) (err error) {
		began, err = w.write(draft)
		return err
	})
	return began, err
}
