package store_test

import (
	"context"
	"errors"

	"github.com/echocache/echocache/store"
)

// slowly pauses before and after everything that b does on a trip.
type slowly struct {
	store.Backend

	pause func()
}

// slowlyReplacing is one that replaces in one step.
type slowlyReplacing struct {
	slowly
	store.Replacer
}

// historySlow returns b with pauses; what b does in the memory of this process stays as fast as it is.
func historySlow(b store.Backend, pause func()) store.Backend {
	if r, ok := store.As[store.Replacer](b); ok {
		return slowlyReplacing{slowly{b, pause}, r}
	}
	return slowly{b, pause}
}

func (b slowly) Unwrap() store.Backend { return b.Backend }

func (b slowly) around() func() {
	b.pause()
	return b.pause
}

func (b slowly) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	defer b.around()()
	return b.Backend.Lookup(ctx, keys...)
}

func (b slowly) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	defer b.around()()
	return b.Backend.Store(ctx, key, r)
}

func (b slowly) Delete(ctx context.Context, keys ...string) error {
	defer b.around()()
	return b.Backend.Delete(ctx, keys...)
}

func (b slowly) Evict(ctx context.Context, tags ...string) error {
	defer b.around()()
	return b.Backend.Evict(ctx, tags...)
}

func (b slowlyReplacing) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	defer b.around()()
	return b.Replacer.Replace(ctx, key, r, tags...)
}

// replacer is a backend that replaces in one step.
type replacer interface {
	store.Backend
	store.Replacer
}

// tripping holds nothing in the memory of this process.
type tripping struct{ replacer }

// refusingAll keeps nothing.
type refusingAll struct{ store.Backend }

func (refusingAll) Store(context.Context, string, store.Record) (store.Verdict, error) {
	return store.Refused, nil
}

// doubting keeps what it is given and says that it does not know.
type doubting struct{ store.Backend }

func (b doubting) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	_, err := b.Backend.Store(ctx, key, r)
	return store.Unknown, err
}

// unfencing cannot read its clock: every look-up fails.
type unfencing struct{ store.Backend }

func (unfencing) Lookup(context.Context, ...string) ([]store.Found, error) {
	return nil, errors.New("no clock")
}
