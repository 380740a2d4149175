package store

import (
	"context"
	"errors"
	"fmt"
)

// Set keeps v under key, and beats loads of it that are under way. It begins with a look-up: what others evict or write
// after that beats it, and then nothing is kept, but what they evicted between the moment at which v was read from its
// source and the look-up is not noticed. So what is read belongs into [GetOrSet], and what is written into
// [WriteThrough]; Set is for values that nobody else changes. A backend that is no [Replacer] only forgets.
//
// It returns an error if the key, an option or the value cannot be kept, or if the backend does not confirm that what was
// there is forgotten. That it has not kept the value is not one.
func Set[T any](ctx context.Context, s *Store, key string, o Options, v T) error {
	w, err := prepare(s, key, o, &v)
	if err != nil {
		return err
	}
	w.record.Fence = s.fenceOf(ctx, w.full)
	return w.replace(ctx)
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
	return w.replace(context.WithoutCancel(ctx), o.Tags...)
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
func (w *writing) replace(ctx context.Context, tags ...string) error {
	w.throttled.remove(w.full)
	r := w.record
	if !w.kept {
		r.Fence = Fence{} // is not kept by any backend
	}
	if b, ok := As[Replacer](w.backend); ok {
		verdict, err := b.Replace(ctx, w.full, r, tags...)
		if err == nil {
			return nil
		}
		w.config.Logger.Warn("value not replaced, evicted instead", "verdict", verdict.String(), "error", err)
	}
	err := w.backend.Delete(ctx, w.full)
	if len(tags) > 0 {
		err = errors.Join(err, w.backend.Evict(ctx, tags...))
	}
	if err != nil {
		return fmt.Errorf("store: evict what was written: %w", err)
	}
	return nil
}
