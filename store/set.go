package store

import (
	"context"
	"errors"
	"fmt"
)

// Set keeps v under key, and beats loads of it that are under way. v must be what the source says now: an eviction that
// came before the call is not noticed, so what takes time to compute belongs into [GetOrSet]. It returns an error if the
// key, an option or the value cannot be kept, or if the backend does not confirm that what was there is forgotten. That
// it has not kept the value, for want of room, is not one.
func Set[T any](ctx context.Context, s *Store, key string, o Options, v T) error {
	w, err := prepare(s, key, o, &v)
	if err != nil {
		return err
	}
	_, atOnce := As[Replacer](s.backend)
	for range maxRounds {
		if !atOnce {
			if _, err := w.replace(ctx); err != nil {
				return err
			}
		}
		w.record.Fence = s.fenceOf(ctx, w.full)
		verdict := Refused
		switch {
		case atOnce:
			verdict, err = w.replace(ctx)
		case w.kept:
			verdict, err = s.backend.Store(ctx, w.full, w.record)
			if err != nil {
				s.config.Logger.Warn("value not kept", "verdict", verdict.String(), "error", err)
			}
			err = nil
		}
		// Of two at once the later one wins: who was fenced by the other tries again.
		if verdict != Fenced || err != nil {
			return err
		}
	}
	return nil
}

// WriteThrough calls write with v, and then keeps v under key and evicts the tags of the Options, loads under way
// included. If write fails, its error is returned and the cache is left as it was. Otherwise the error is that of an
// eviction that is not confirmed, or of a mistake, found before write is called, in key, options or value.
//
// If somebody else writes at the same time, nobody knows whose value the source has: then none is kept, and the next
// [GetOrSet] loads it.
func WriteThrough[T any](
	ctx context.Context, s *Store, key string, o Options, v T, write func(context.Context, T) error,
) error {
	w, err := prepare(s, key, o, &v)
	if err != nil {
		return err
	}
	w.record.Fence = s.fenceOf(ctx, w.full) // before the source is written
	if err := write(ctx, v); err != nil {
		return err
	}
	// It is written: the client cannot cancel what has to follow.
	_, err = w.replace(context.WithoutCancel(ctx), o.Tags...)
	return err
}

// writing is a value on its way to the backend.
type writing struct {
	*Store
	full   string
	record Record
	kept   bool // as far as the options go
}

func prepare[T any](s *Store, key string, o Options, v *T) (*writing, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	k := kindOf[T](s)
	c := &call{Store: s, kind: k, options: o}
	payload, _, err := c.encode(v)
	if err != nil {
		return nil, fmt.Errorf("store: the value cannot be kept: %w", err)
	}
	value := &value{id: k.id, payload: payload}
	w := &writing{Store: s, full: s.full(key), record: Record{Sliding: o.Sliding}}
	w.kept = c.admit(value, &w.record, &decided{}) == ""
	w.record.Value = value.encode(key)
	return w, nil
}

// fenceOf returns the fence for a value of a key that is computed from now on, or none.
func (s *Store) fenceOf(ctx context.Context, full string) Fence {
	found, err := s.backend.Lookup(ctx, full)
	if err != nil || len(found) != 1 {
		return Fence{}
	}
	return found[0].Fence
}

// replace evicts tags and key, and keeps the record in place of what is there. A backend that cannot do that in one step
// only evicts: between two steps somebody else could write.
func (w *writing) replace(ctx context.Context, tags ...string) (Verdict, error) {
	w.throttled.remove(w.full)
	r := w.record
	if !w.kept {
		r.Fence = Fence{} // is not kept by any backend
	}
	if b, ok := As[Replacer](w.backend); ok {
		verdict, err := b.Replace(ctx, w.full, r, tags...)
		if err == nil {
			return verdict, nil
		}
		w.config.Logger.Warn("value not replaced, evicted instead", "verdict", verdict.String(), "error", err)
	}
	err := w.backend.Delete(ctx, w.full)
	if len(tags) > 0 {
		err = errors.Join(err, w.backend.Evict(ctx, tags...))
	}
	if err != nil {
		return Unknown, fmt.Errorf("store: evict what was written: %w", err)
	}
	return Refused, nil
}
