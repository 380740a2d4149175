package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// GetOrSet returns the value under key, and loads and keeps it if there is none that is fresh.
//
// However many callers want a key, it is loaded once: they wait, each on its own context. The load runs in a goroutine
// of its own, with the values of the first caller's context; its context ends when all who wait have left, when its time
// is over (see [Config]), or at Close. A panic of it is a [PanicError] for those who wait, an error is not kept and
// reaches only them. What was evicted since the load began is not kept, and not given to who came after that (I-1).
//
// The error is the load's, the context's, or that of an invalid key or option. Trouble of the backend is not one: then
// the value is loaded. Callers never share anything that can be changed, unless they say that nobody will
// ([Options.Immutable]): each gets a copy, made by the codec, of what cannot be copied by assignment. So does the first,
// whose load it was, and what the codec loses of a value is missing from the first time on.
func GetOrSet[T any](
	ctx context.Context, s *Store, key string, o Options, load func(context.Context) (T, error),
) (T, error) {
	k := kindOf[T](s)
	if v, left := s.peek(k, key, o.Immutable); v != nil && !isDue(o.EagerRefresh, v, left) {
		if found, err := given[T](k, v, o.Immutable); err != errUnreadable { //nolint:errorlint // never wrapped
			s.hit(left)
			return found, err
		}
	}
	return getOrLoad(ctx, s, k, key, o, load)
}

// getOrLoad is what remains of GetOrSet when memory alone does not answer. It is apart so that only then its arguments
// are moved to the heap.
func getOrLoad[T any](
	ctx context.Context, s *Store, k *kind, key string, o Options, load func(context.Context) (T, error),
) (T, error) {
	var none T
	if err := checkKey(key); err != nil {
		return none, err
	}
	if err := o.check(); err != nil {
		return none, err
	}
	c := &call{Store: s, kind: k, options: o, load: func(ctx context.Context, jobs []*job) error {
		loaded, err := load(ctx)
		jobs[0].own = &loaded
		return err
	}}
	w := &want{job: job{key: key, full: s.full(key)}}
	c.fetch(ctx, []*want{w})
	if w.err != nil {
		return none, w.err
	}
	return *w.own.(*T), nil //nolint:errcheck // all values of this kind are
}

// GetOrSetMany returns the values under the keys that keyOf gives for keys, and loads those that are not there, all in
// one load. It asks the backend once for all of them. The same key may be given several times. The load returns what it
// finds; what it leaves out does not exist, is left out of the result, and is remembered as [Options.Negative] says.
//
// Everything else is as with [GetOrSet], for each key on its own: keys that another caller is loading are waited for.
// For the error of one key the others are not returned either. What differs from value to value, as their tags, is
// decided by the load; see [Entry.Of].
func GetOrSetMany[K comparable, T any](
	ctx context.Context, s *Store, keys []K, keyOf func(K) string, o Options,
	load func(context.Context, []K) (map[K]T, error),
) (map[K]T, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	k := kindOf[T](s)
	found := make(map[K]T, len(keys))
	seen := make(map[K]struct{}, len(keys))
	var wants []*want
	var unique []K // by a want's index
	for _, id := range keys {
		if _, again := seen[id]; again {
			continue
		}
		seen[id] = struct{}{}
		key := keyOf(id)
		if err := checkKey(key); err != nil {
			return nil, err
		}
		if v, left := s.peek(k, key, o.Immutable); v != nil && !isDue(o.EagerRefresh, v, left) {
			if value, err := given[T](k, v, o.Immutable); err != errUnreadable { //nolint:errorlint // never wrapped
				s.hit(left)
				if err == nil {
					found[id] = value
				}
				continue
			}
		}
		wants = append(wants, &want{job: job{index: len(unique), many: true, key: key, full: s.full(key)}})
		unique = append(unique, id)
	}
	if len(wants) == 0 {
		return found, nil
	}
	c := &call{Store: s, kind: k, options: o, load: loadMany(unique, load)}
	c.fetch(ctx, wants)
	for _, w := range wants {
		switch {
		case w.err == nil:
			found[unique[w.index]] = *w.own.(*T) //nolint:errcheck // all values of this kind are
		case !errors.Is(w.err, ErrNotFound):
			return nil, w.err
		}
	}
	return found, nil
}

// loadMany makes a load of jobs out of one of ids, of which a job's index says which it is about.
func loadMany[K comparable, T any](
	ids []K, load func(context.Context, []K) (map[K]T, error),
) func(context.Context, []*job) error {
	return func(ctx context.Context, jobs []*job) error {
		wanted := make([]K, len(jobs))
		for i, j := range jobs {
			wanted[i] = ids[j.index]
		}
		loaded, err := load(ctx, wanted)
		if err != nil {
			return err
		}
		for i, j := range jobs {
			if value, ok := loaded[wanted[i]]; ok {
				j.own = &value
			} else {
				j.err = ErrNotFound
			}
		}
		return nil
	}
}

// Get returns the value under key if there is one that is fresh. It reports false if there is none, also if it is
// remembered as not found, or if what is there is a value of another type, codec or version, which is dropped. The
// error is that of an invalid key, or of a value that is of this type and cannot be read, which is dropped too.
func Get[T any](ctx context.Context, s *Store, key string) (value T, found bool, err error) {
	k := kindOf[T](s)
	if v, left := s.peek(k, key, false); v != nil {
		if value, err := given[T](k, v, false); err != errUnreadable { //nolint:errorlint // never wrapped
			s.hit(left)
			return value, err == nil, nil
		}
	}
	if err := checkKey(key); err != nil {
		return value, false, err
	}
	own, err := s.get(ctx, k, key)
	if own == nil || err != nil {
		return value, false, err
	}
	return *own.(*T), true, nil //nolint:errcheck // all values of this kind are
}

// get returns what is under key and fresh, or nil.
func (s *Store) get(ctx context.Context, k *kind, key string) (own any, err error) {
	full := s.full(key)
	found, err := s.backend.Lookup(ctx, full)
	if err != nil || len(found) != 1 || found[0].Record == nil || found[0].Left <= 0 {
		return nil, nil //nolint:nilerr,nilnil // trouble of the backend is absence
	}
	if v := k.read(found[0].Record, key); v != nil {
		if v.absent || v.left(found[0].Left) <= 0 {
			return nil, nil //nolint:nilnil // absence
		}
		if own, err = k.decode(v.payload); err == nil {
			s.hit(found[0].Left)
			return own, nil
		}
		err = fmt.Errorf("store: the value cannot be read: %w", err)
	}
	s.drop(ctx, full)
	return nil, err
}

// drop deletes what cannot be read.
func (s *Store) drop(ctx context.Context, full ...string) {
	s.damaged.Add(uint64(len(full)))
	err := s.backend.Delete(context.WithoutCancel(ctx), full...)
	s.config.Logger.Warn("values of another type, codec or version, or damaged: dropped", "count", len(full), "error", err)
}

// peek returns the value of this kind that is under key in the memory of this process and fresh, and how long its record
// has to live; nil if there is none there. It copies nothing.
func (s *Store) peek(k *kind, key string, immutable bool) (*value, time.Duration) {
	if s.local == nil {
		return nil, 0
	}
	full := s.keys.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	*full = append(append((*full)[:0], s.prefix...), key...)
	held, left, ok := s.local.Peek(*full)
	if cap(*full) <= 2*MaxKeyBytes {
		s.keys.Put(full)
	}
	if !ok {
		return nil, 0
	}
	v, ok := held.View().(*value)
	if !ok || v.shared == nil && (k.plain || immutable) && !v.absent {
		if v = view(k, held, key, immutable); v == nil {
			return nil, 0
		}
	}
	if v.id != k.id || v.left(left) <= 0 {
		return nil, 0
	}
	return v, left
}

// view decodes a record and keeps that beside it for later readers.
func view(k *kind, held Held, key string, immutable bool) *value {
	v := k.read(held.Record(), key)
	if v == nil {
		return nil
	}
	size := valueBytes
	if !v.absent && (k.plain || immutable) {
		var err error
		if v.shared, err = k.decode(v.payload); err != nil {
			return nil
		}
		size += len(v.payload)
	}
	held.SetView(v, size)
	return v
}

// valueBytes is what a value occupies besides its payload.
const valueBytes = 160

var errUnreadable = errors.New("store: the value in memory cannot be read")

// given returns what a caller gets of a value in memory: that, ErrNotFound, or errUnreadable.
func given[T any](k *kind, v *value, immutable bool) (found T, err error) {
	if v.absent {
		return found, ErrNotFound
	}
	own := v.shared
	if own == nil || !k.plain && !immutable {
		if own, err = k.decode(v.payload); err != nil {
			return found, errUnreadable
		}
	}
	return *own.(*T), nil //nolint:errcheck // all values of this kind are
}
