package tiered

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Store is a [store.Backend]: memory in front of another backend, with the abilities [store.Local], [store.Replacer] and
// [store.Tier]. Make one with [New]. All methods may be called concurrently.
type Store struct {
	local  *memstore.Store
	remote store.Backend
	feed   store.Feed // nil: the remote has no such ability, and everything goes there
	config Config
	fault  error
	holder string // "" = evictions do not wait for this process

	lease atomic.Pointer[time.Time] // when the lease is over
	away  atomic.Pointer[time.Time] // since when the remote has not answered; nil: it answers
	// seen is what the last poll told, by part. Only the poller writes it.
	seen atomic.Pointer[[]store.Fence]
	// evicted counts the evictions of this process, and told how many of them there were before the last poll. While
	// they differ, the fences of that poll would fence what begins now.
	evicted, told atomic.Uint64

	hits    atomic.Uint64
	polls   atomic.Uint64
	failed  atomic.Uint64
	offline atomic.Uint64
	hint    chan struct{}
	life    context.Context //nolint:containedctx // the poller's: it ends at Close
	end     context.CancelFunc
	polling sync.WaitGroup
	closing sync.Once
}

var (
	_ store.Backend  = (*Store)(nil)
	_ store.Local    = (*Store)(nil)
	_ store.Offline  = (*Store)(nil)
	_ store.Remote   = (*Store)(nil)
	_ store.Replacer = (*Store)(nil)
	_ store.Sweeper  = (*Store)(nil)
	_ store.Tier     = (*Store)(nil)
)

var errNoFeed = errors.New("tiered: the remote backend cannot tell what others evict, so nothing may be kept in memory in front of " +
	"it: use it without tiered")

// New returns local in front of remote and starts asking for news, which [Store.Close] ends. It owns both from then on.
// local must not be used by anybody else. A mistake is kept and reported by [Store.Check]; then everything is a miss.
func New(local *memstore.Store, remote store.Backend, c Config) *Store {
	s := &Store{local: local, remote: remote, fault: c.check(), config: c.withDefaults(), hint: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(context.Background())
	switch {
	case local == nil:
		s.fault = errors.New("tiered: local is nil: pass memstore.New(memstore.Config{})")
	case remote == nil:
		s.fault = errors.New("tiered: remote is nil: pass the shared backend")
	}
	if s.fault != nil {
		return s
	}
	var has bool
	if s.feed, has = store.As[store.Feed](remote); !has {
		s.fault = errNoFeed
		return s
	}
	if s.config.Mode == Lease {
		s.holder = rand.Text()
	}
	s.polling.Go(s.poll)
	s.polling.Go(func() { s.feed.Hints(s.life, s.hinted) })
	return s
}

// holds reports whether memory may answer.
func (s *Store) holds() bool {
	over := s.lease.Load()
	if over == nil {
		return false
	}
	return before(time.Now(), *over)
}

// before reports whether now is before over by both clocks. The monotonic one stands still while the machine is suspended,
// the other one does not: either is enough to end a lease.
func before(now, over time.Time) bool { return now.Before(over) && now.Round(0).Before(over.Round(0)) }

// Peek returns what is in memory under key, if memory may answer; see [store.Local].
func (s *Store) Peek(key []byte) (store.Held, time.Duration, bool) {
	if s.fault != nil || !s.holds() {
		return nil, 0, false
	}
	held, left, ok := s.local.Peek(key)
	if ok {
		s.hits.Add(1)
	}
	return held, left, ok
}

// PeekOffline implements [store.Offline]: Peek for when the remote cannot be reached, for as long as Config.OfflineFor says.
func (s *Store) PeekOffline(key []byte) (store.Held, time.Duration, bool) {
	if s.fault != nil || s.config.OfflineFor == 0 || s.away.Load() == nil {
		return nil, 0, false
	}
	over := s.lease.Load()
	if over == nil || !before(time.Now(), over.Add(s.config.OfflineFor)) {
		return nil, 0, false
	}
	held, left, ok := s.local.Peek(key)
	if ok {
		s.offline.Add(1)
	}
	return held, left, ok
}

// Lookup answers from memory where that may answer, and for the rest asks the remote, in one trip.
func (s *Store) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	return s.lookUp(ctx, true, keys)
}

// LookupRemote asks the remote for everything, in one trip; see [store.Remote].
func (s *Store) LookupRemote(ctx context.Context, keys ...string) ([]store.Found, error) {
	return s.lookUp(ctx, false, keys)
}

func (s *Store) lookUp(ctx context.Context, memory bool, keys []string) ([]store.Found, error) {
	found := make([]store.Found, len(keys))
	if s.fault != nil {
		return found, nil //nolint:nilerr // a bad configuration is reported by Check; here it is a miss
	}
	holds, fences := memory && s.holds() && s.told.Load() == s.evicted.Load(), s.fences() // before memory is looked at
	near, _ := s.local.Lookup(ctx, keys...)                                               // never fails; and its fences are taken before the remote is asked
	var asked []string
	var at []int
	for i, key := range keys {
		if holds && near[i].Record != nil {
			part, _ := s.feed.Place(key, nil)
			// The fence is that of the last news. Evictions since then count against a fill that begins now: one too
			// many perhaps, never one too few.
			found[i] = store.Found{Record: near[i].Record, Left: near[i].Left, Fence: fences[part]}
			s.hits.Add(1)
			continue
		}
		asked, at = append(asked, key), append(at, i)
	}
	if len(asked) == 0 {
		return found, nil
	}
	far, err := s.remote.Lookup(ctx, asked...)
	if err != nil || len(far) != len(asked) {
		return nil, err
	}
	for n, i := range at {
		found[i] = far[n]
		if r := far[n].Record; r != nil && far[n].Left > 0 {
			s.keep(keys[i], r, far[n].Left, near[i].Fence)
		}
	}
	return found, nil
}

func (s *Store) fences() []store.Fence {
	if seen := s.seen.Load(); seen != nil {
		return *seen
	}
	return nil
}

// keep keeps a record of the remote in memory. fence is memory's own, taken before the remote was asked.
func (s *Store) keep(key string, r *store.Record, left time.Duration, fence store.Fence) {
	part, names := s.feed.Place(key, r.Tags)
	kept := *r
	kept.TTL, kept.Fence = left, fence
	// Only what is asked of the remote slides there, so memory has it for a quarter of the window at most. Whatever the
	// verdict, the remote has it.
	_, _ = s.local.StoreCopy(key, kept, append(names, partTag(part)), r.Sliding/4)
}

// partTag is what everything of one part is forgotten by, when the backend has lost count.
func partTag(part int) string { return "part:" + strconv.Itoa(part) }

// Store keeps r at the remote, and in memory if it is kept there.
func (s *Store) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	if s.fault != nil {
		return store.Refused, s.fault
	}
	near, _ := s.local.Lookup(ctx, key)
	verdict, err := s.remote.Store(ctx, key, r)
	if verdict == store.Stored {
		s.keep(key, &r, r.TTL, near[0].Fence)
	}
	return verdict, err
}

// Delete forgets keys in memory and at the remote.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if s.fault != nil {
		return s.fault
	}
	var names []string
	for _, key := range keys {
		_, own := s.feed.Place(key, nil)
		names = append(names, own...)
	}
	defer s.forgetAround(ctx, names)()
	return s.waitOut(ctx, s.remote.Delete(ctx, keys...))
}

// Evict forgets what carries one of tags, in memory and at the remote. Nil means: everywhere.
func (s *Store) Evict(ctx context.Context, tags ...string) error {
	if s.fault != nil {
		return s.fault
	}
	defer s.forgetAround(ctx, s.names(tags))()
	return s.waitOut(ctx, s.remote.Evict(ctx, tags...))
}

// Sweep implements [store.Sweeper]: it sweeps memory, and the remote if that is a Sweeper.
func (s *Store) Sweep(ctx context.Context) error {
	if s.fault != nil {
		return s.fault
	}
	err := s.local.Sweep(ctx)
	if far, ok := store.As[store.Sweeper](s.remote); ok {
		err = errors.Join(err, far.Sweep(ctx))
	}
	return err
}

// names returns what memory calls tags.
func (s *Store) names(tags []string) []string {
	if len(tags) == 0 {
		return nil
	}
	_, names := s.feed.Place("", tags)
	return names[1:] // without that of the key
}

// forgetAround evicts names from memory, and once more when the remote has answered: what was looked up there before it
// evicted may have come into memory meanwhile, and this process is not to wait for the news of its own evictions.
func (s *Store) forgetAround(ctx context.Context, names []string) (after func()) {
	s.forget(ctx, names)
	return func() {
		s.forget(ctx, names)
		s.evicted.Add(1)
	}
}

// forget evicts names from memory. It honours here what the remote has yet to confirm.
func (s *Store) forget(ctx context.Context, names []string) { _ = s.local.Evict(ctx, names...) } // never fails

// Replace implements [store.Replacer], if the remote does; else it evicts and keeps nothing.
func (s *Store) Replace(ctx context.Context, key string, r store.Record, tags ...string) (store.Verdict, error) {
	if s.fault != nil {
		return store.Refused, s.fault
	}
	_, own := s.feed.Place(key, nil)
	defer s.forgetAround(ctx, append(own, s.names(tags)...))()
	b, ok := store.As[store.Replacer](s.remote)
	if !ok {
		err := s.remote.Delete(ctx, key)
		if len(tags) > 0 {
			err = errors.Join(err, s.remote.Evict(ctx, tags...))
		}
		return store.Refused, s.waitOut(ctx, err)
	}
	// It does not come into memory here: the next look-up brings it, with a fence from before that.
	verdict, err := b.Replace(ctx, key, r, tags...)
	return verdict, s.waitOut(ctx, err)
}

// waitOut passes on the error of an eviction that is not confirmed, when the leases of other processes are over that began
// before the remote ceased to answer. If it answers nobody, no memory anywhere has then what was evicted. Once it has
// been away for that long nothing waits any more.
func (s *Store) waitOut(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	s.lost()
	since := s.away.Load()
	if since == nil {
		return err // it answers again
	}
	timer := time.NewTimer(time.Until(since.Add(s.config.Lease + s.config.Lease/10)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.life.Done():
	}
	return err
}

// lost notes that the remote does not answer.
func (s *Store) lost() {
	now := time.Now()
	s.away.CompareAndSwap(nil, &now)
}

// Check returns the first configuration error, of the tiers or of this store.
func (s *Store) Check() error {
	if s.fault != nil {
		return s.fault
	}
	return errors.Join(s.local.Check(), s.remote.Check())
}

// Unwrap returns the remote, for abilities that this store does not have itself.
func (s *Store) Unwrap() store.Backend { return s.remote }

// Tier returns the remote's name: what memory answers is told apart already.
func (s *Store) Tier() string {
	if t, ok := store.As[store.Tier](s.remote); ok {
		return t.Tier()
	}
	return "remote"
}

// Stats returns what is held in memory.
func (s *Store) Stats() store.Stats { return s.local.Stats() }

// Info is what a [Store] tells of its leases.
type Info struct {
	Mode   string `json:"mode"`
	Leased bool   `json:"leased"` // memory may answer, now
	Hits   uint64 `json:"hits"`   // answered from memory
	Polls  uint64 `json:"polls"`  // questions for news
	Failed uint64 `json:"failed"` // of them those without an answer
	// Offline counts what memory answered while the remote could not be reached.
	Offline uint64 `json:"offline"`
}

// Info returns what the store has done so far.
func (s *Store) Info() Info {
	return Info{
		Mode: s.config.Mode.String(), Leased: s.holds(),
		Hits: s.hits.Load(), Polls: s.polls.Load(), Failed: s.failed.Load(), Offline: s.offline.Load(),
	}
}

// Close ends the questions for news and closes both tiers. A second call does nothing.
func (s *Store) Close() (err error) {
	s.closing.Do(func() {
		s.end()
		s.polling.Wait()
		s.lease.Store(nil)
		if s.local != nil {
			err = s.local.Close()
		}
		if s.remote != nil {
			err = errors.Join(err, s.remote.Close())
		}
	})
	return err
}
