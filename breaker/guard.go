package breaker

import (
	"context"
	"time"

	"github.com/echocache/echocache/store"
)

// guard stands between a Breaker and its backend in the chain of Unwrap, so that an ability to read or to write is found
// here and not beneath. A backend that lacks it must seem to lack it with a breaker around it as well: hence one type
// for each combination. Claims are kept by a [fleetGuard].
type guard struct{ *Breaker }

// Unwrap returns the backend itself.
func (g guard) Unwrap() store.Backend { return g.backend }

type (
	localGuard struct {
		guard
		peeker
	}
	replacerGuard struct {
		guard
		replacer
	}
	bothGuard struct {
		guard
		peeker
		replacer
	}
)

// guarded returns what Unwrap of b returns.
func guarded(b *Breaker) store.Backend {
	next := behind(b)
	if fleet, ok := store.As[store.Fleet](b.backend); ok {
		return fleetGuard{guard{b}, fleet, next}
	}
	return next
}

// behind returns the guard of the abilities to read and to write.
func behind(b *Breaker) store.Backend {
	local, peeks := store.As[store.Local](b.backend)
	writer, replaces := store.As[store.Replacer](b.backend)
	switch {
	case peeks && replaces:
		return bothGuard{guard{b}, peeker{b, local}, replacer{b, writer}}
	case peeks:
		return localGuard{guard{b}, peeker{b, local}}
	case replaces:
		return replacerGuard{guard{b}, replacer{b, writer}}
	default:
		return b.backend
	}
}

type peeker struct {
	breaker *Breaker
	local   store.Local
}

// Peek is the backend's, but for what is queued to be evicted. It waits for nobody, so it has no budget and does not
// count.
func (p peeker) Peek(key []byte) (held store.Held, left time.Duration, ok bool) {
	l := p.breaker.ledger
	m := l.mode.Load()
	if m == calm {
		return p.local.Peek(key)
	}
	if m >= shut {
		return nil, 0, false
	}
	confirmed := l.confirmed.Load()
	held, left, ok = p.local.Peek(key)
	if !ok || !p.breaker.stands(string(key), held.Record().Tags, confirmed) {
		return nil, 0, false
	}
	return held, left, true
}

type replacer struct {
	breaker *Breaker
	backend store.Replacer
}

// Replace evicts as Evict does, within [Config.EvictTimeout]. If that is queued, r is not kept: its fence is older than
// the eviction will be. A nil error means confirmed evictions.
func (p replacer) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	b := p.breaker
	tags = append([]string(nil), tags...)
	names := append(named(ofTag, tags), name{ofKey, key})
	turns := b.ledger.turns.Load()
	verdict, err := b.evict(ctx, names, func(ctx context.Context) (store.Verdict, error) {
		return p.backend.Replace(ctx, key, r, tags...)
	})
	if verdict == store.Stored && b.ledger.turns.Load() != turns {
		return store.Unknown, err // kept, perhaps, without what was queued meanwhile
	}
	return verdict, err
}
