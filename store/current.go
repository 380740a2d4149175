package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Entry is what a load decides about the value that it is about to return. Get it with [Current]. All methods may be
// called concurrently and on nil, which does nothing; once the load has returned they have no effect.
type Entry struct {
	mu      sync.Mutex
	over    bool
	key     string
	entries map[string]*Entry // of a load of several keys, else nil
	decided
	base *value // what is there already, or nil
}

// decided is what the load has said.
type decided struct {
	ttl      time.Duration
	hasTTL   bool
	until    time.Time
	tags     []string
	noStore  bool
	etag     string
	modified time.Time
}

type entryKey struct{}

// Current returns the entry of the load that runs with ctx, or nil. In a load of [GetOrSetMany] what is decided is
// decided about all its values; for one of them see [Entry.Of].
func Current(ctx context.Context) *Entry {
	e, _ := ctx.Value(entryKey{}).(*Entry)
	return e
}

// Of returns the entry of one key in a load of several, as keyOf gave it. For a load of one key that is the entry
// itself. Of a key that is not being loaded it returns nil.
func (e *Entry) Of(key string) *Entry {
	switch {
	case e == nil:
		return nil
	case e.entries != nil:
		return e.entries[key]
	case e.key == key:
		return e
	}
	return nil
}

// TTL sets for how long the value is fresh, in place of the Options' TTL. With d <= 0 it is not kept.
func (e *Entry) TTL(d time.Duration) { e.decide(func(e *decided) { e.ttl, e.hasTTL = d, true }) }

// Until sets when it ceases to be fresh at the latest, in place of the Options' Until.
func (e *Entry) Until(t time.Time) { e.decide(func(e *decided) { e.until = t }) }

// Tag adds tags under which the value can be evicted, also by what was evicted since the load began. An invalid tag, or
// one too many, keeps the value from being kept: it could not be evicted by it.
func (e *Entry) Tag(tags ...string) {
	e.decide(func(e *decided) { e.tags = append(e.tags, tags...) })
}

// NoStore keeps the value from being kept.
func (e *Entry) NoStore() { e.decide(func(e *decided) { e.noStore = true }) }

// SetValidators keeps an entity tag and a time of last modification, in whole seconds, with the value, for the next load
// to ask the source by. Either may be empty.
func (e *Entry) SetValidators(etag string, modified time.Time) {
	e.decide(func(e *decided) { e.etag, e.modified = etag, modified })
}

// Validators returns what SetValidators kept with the value that is there already, because it is within StaleIfError or
// is being refreshed before its time. They are empty if there is none.
func (e *Entry) Validators() (etag string, modified time.Time) {
	if e == nil || e.base == nil {
		return "", time.Time{}
	}
	if e.base.modified != 0 {
		modified = time.Unix(e.base.modified, 0)
	}
	return e.base.etag, modified
}

// NotModified returns an error for the load to return: the value that is there already is still right. It is kept anew,
// with its validators and tags, for the TTL of a value that was just loaded.
func (e *Entry) NotModified() error { return errNotModified }

var errNotModified = errors.New("store: NotModified without a value that it could be about")

func (e *Entry) decide(f func(*decided)) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		f(&e.decided)
	}
}

// end returns what was decided and lets nothing be decided any more.
func (e *Entry) end() decided {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	d := e.decided
	d.tags = slices.Clip(d.tags)
	return d
}

// or returns d where something was decided, else what was decided about all.
func (d decided) or(all decided) decided {
	if !d.hasTTL {
		d.ttl, d.hasTTL = all.ttl, all.hasTTL
	}
	if d.until.IsZero() {
		d.until = all.until
	}
	if d.etag == "" && d.modified.IsZero() {
		d.etag, d.modified = all.etag, all.modified
	}
	d.tags = slices.Concat(all.tags, d.tags)
	d.noStore = d.noStore || all.noStore
	return d
}
