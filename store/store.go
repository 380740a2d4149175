package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/echocache/echocache/internal/flight"
)

// Config of a [Store]. The zero value works for a backend in this process.
type Config struct {
	// Namespace keeps applications that share a backend apart. It is part of every key. A shared backend needs
	// one; a backend in this process does not.
	Namespace string
	// Codec turns values into bytes, but for []byte, string and what implements encoding.BinaryMarshaler and
	// BinaryUnmarshaler. Nil is JSON.
	Codec Codec
	// LoadTimeout is how long the load of a value may take, whoever waits; a longer [Options.Timeout] counts
	// instead. Then its context ends, and who waits gets an error. 0 = DefaultLoadTimeout.
	LoadTimeout time.Duration
	// Throttle is for how long a value that is kept for [Options.StaleIfError] is returned without another load
	// after one has failed, and not refreshed before its time. 0 = DefaultThrottle.
	Throttle time.Duration
	// Logger hears of trouble that no caller is told about. Nil discards.
	Logger *slog.Logger
	// Observer hears of every value that is found or loaded. Nil: nobody does.
	Observer Observer
}

// What a zero in [Config] stands for.
const (
	DefaultLoadTimeout = 30 * time.Second
	DefaultThrottle    = 30 * time.Second
)

// Store is the portable type over a [Backend]: it validates what it is given, wraps errors once, and runs the loads of
// values. All methods may be called concurrently.
type Store struct {
	backend Backend
	local   Local // nil if the backend has no such ability
	fleet   Fleet // likewise
	config  Config
	fault   error  // what is wrong with config
	prefix  string // of every value's key

	kinds     sync.Map // reflect.Type → *kind
	keys      sync.Pool
	flights   *flight.Group[outcome]
	throttled *throttled
	refreshes chan struct{} // a place for each load in the background
	counters

	mu     sync.Mutex
	closed bool
	life   context.Context //nolint:containedctx // the store's own: it ends at Close
	end    context.CancelFunc
	loads  sync.WaitGroup // added to under mu, unless closed

	// yield is called at the points where a test wants to let others run. Nil but in tests.
	yield func(point string)
}

// New returns a Store over b. It does no I/O; a mistake in the configuration is kept and reported by [Store.Check].
func New(b Backend, c Config) *Store {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Codec == nil {
		c.Codec = jsonCodec{}
	}
	if c.LoadTimeout == 0 {
		c.LoadTimeout = DefaultLoadTimeout
	}
	if c.Throttle == 0 {
		c.Throttle = DefaultThrottle
	}
	s := &Store{
		backend: b, config: c, fault: c.check(), prefix: keyPrefix(c.Namespace),
		flights: flight.NewGroup[outcome](), throttled: newThrottled(), refreshes: make(chan struct{}, maxRefreshes),
	}
	s.keys.New = func() any { return new([]byte) }
	s.local, _ = As[Local](b)
	s.fleet, _ = As[Fleet](b)
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

func (c *Config) check() error {
	switch {
	case len(c.Namespace) > maxNamespace:
		return fmt.Errorf("store: Config.Namespace has %d bytes: at most %d", len(c.Namespace), maxNamespace)
	case c.LoadTimeout < 0:
		return fmt.Errorf("store: Config.LoadTimeout is %s: use 0 for %s", c.LoadTimeout, DefaultLoadTimeout)
	case c.Throttle < 0:
		return fmt.Errorf("store: Config.Throttle is %s: use 0 for %s", c.Throttle, DefaultThrottle)
	}
	return nil
}

// Backend returns the backend that the store was made over.
func (s *Store) Backend() Backend { return s.backend }

// Namespace returns the namespace that the store was made with.
func (s *Store) Namespace() string { return s.config.Namespace }

// Check returns the first configuration error of the store or of its backend. It does no I/O.
func (s *Store) Check() error {
	if s.backend == nil {
		return fmt.Errorf("store: backend is nil: pass one, for example memstore.New(memstore.Config{})")
	}
	if s.fault != nil {
		return s.fault
	}
	return s.backend.Check()
}

const maxNamespace = 128

// ErrEvictionPending is what Evict and Delete return, wrapped, when an eviction is not confirmed yet but queued: it is
// retried until it is, and honoured by this process meanwhile. A backend that can queue returns it.
var ErrEvictionPending = errors.New("store: eviction pending: not confirmed yet, retried until it is")

// Erase is Evict, and frees what was evicted: from the memory of this process and from the shared backend. It is for
// deletion requests; what an Evict alone has forgotten is not answered with any more, but its bytes stay until somebody
// meets them or until their time is over. It takes as long as it takes to go through everything that is kept, so it does
// not belong on a request's way. The memory of other processes follows at their next sweep (see memstore), half a minute later
// by default. An error means that something may be left, with [ErrEvictionPending] as for Evict.
func (s *Store) Erase(ctx context.Context, tags ...string) error {
	return errors.Join(s.Evict(ctx, tags...), s.sweep(ctx))
}

func (s *Store) sweep(ctx context.Context) error {
	b, ok := As[Sweeper](s.backend)
	if !ok {
		return errors.New("store: erase: the backend is no Sweeper: what was evicted stays until its time is over")
	}
	if err := b.Sweep(ctx); err != nil {
		return fmt.Errorf("store: erase: %w", err)
	}
	return nil
}

// Delete forgets the values under keys, and beats loads of them that are under way, as Evict does. An invalid key is an
// error, and then nothing is deleted.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	full := make([]string, len(keys))
	for i, key := range keys {
		if err := checkKey(key); err != nil {
			return err
		}
		full[i] = s.full(key)
	}
	if len(keys) == 0 {
		return nil
	}
	if err := s.backend.Delete(ctx, full...); err != nil {
		return fmt.Errorf("store: delete %d keys: %w", len(keys), err)
	}
	return nil
}

// Evict forgets everything that carries one of the tags, computations under way included. Nil means that no look-up
// that begins afterwards, at any instance, finds it. An invalid tag is an error, and then nothing is evicted.
func (s *Store) Evict(ctx context.Context, tags ...string) error {
	for _, t := range tags {
		if err := CheckTag(t); err != nil {
			return err
		}
	}
	if len(tags) == 0 {
		return nil
	}
	if err := s.backend.Evict(ctx, tags...); err != nil {
		return fmt.Errorf("store: evict %d tags: %w", len(tags), err)
	}
	return nil
}

// closeWait is how long Close waits for loads to heed their contexts.
const closeWait = 5 * time.Second

// Close ends the loads that are under way, waits a few seconds for them, and closes the backend. It returns an error if
// a load does not end. Afterwards every call loads for itself, and nothing is kept. A second call does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.end()
	var hung error
	ended := make(chan struct{})
	go func() {
		s.loads.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(closeWait):
		hung = fmt.Errorf("store: %d loads have not ended %s after their context", s.loading.Load(), closeWait)
	}
	if s.backend == nil {
		return hung
	}
	return errors.Join(hung, s.backend.Close())
}

// begin counts a load in, for Close to wait for; loads.Done counts it out. It reports false after Close.
func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.loads.Add(1)
	return true
}

func (s *Store) at(point string) {
	if s.yield != nil {
		s.yield(point)
	}
}
