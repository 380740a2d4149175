package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/internal/flight"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// Config of a [Cache]. The zero value works: a cache in this process of 64 MiB, named "echocache".
type Config struct {
	// Name appears in Cache-Status, in every key, and in statistics. Visible ASCII; default "echocache".
	Name string
	// Store keeps the pages. Nil: one of the cache's own, in this process, of 64 MiB.
	Store *store.Store
	// Version is the application's release. It is part of every key, so that during a rolling deploy no release
	// shows a page that another made.
	Version string
	// Logger hears of trouble that no caller is told about. Nil discards.
	Logger *slog.Logger
	// Observer hears of every event. Nil: nobody does.
	Observer Observer
	// MaxFills bounds how many handlers fill pages at once. The excess waits, at most as long as a fill may take,
	// and is then refused with [ErrOverload]. A part of a page that its handler asks for from this cache counts
	// within the page. 0: no bound.
	MaxFills int
	// Patience bounds how long a fill may take, and how long one request waits for others in all. Default 30 s.
	Patience time.Duration
	// Status says how much Cache-Status tells. Default: everything.
	Status Status

	// For Handler, the door to plain net/http. Another door brings its own.

	// User returns who is asking, or "" for nobody. Nil: the application cannot tell.
	User func(*http.Request) string
	// Values are named inputs for Policy.VaryValue and tag templates.
	Values map[string]func(*http.Request) string
	// IgnoreCookies are cookies that mean nothing to the application. A name may end in "*". Nil: those of the
	// known analytics scripts.
	IgnoreCookies []string
}

// DefaultPatience is how long a fill may take if Config says nothing.
const DefaultPatience = 30 * time.Second

// dullFor is how long a key is remembered whose answer was not worth keeping.
const dullFor = 2 * time.Second

const defaultName = "echocache"

// ErrOverload is returned for a request that found no place among the MaxFills in time.
var ErrOverload = errors.New("output: no place for a fill in time (MaxFills)")

// Cache keeps answers of an application. All methods may be called concurrently.
type Cache struct {
	config   Config
	backend  store.Backend
	store    *store.Store
	ownStore bool
	local    store.Local   // nil if the backend has none
	offline  store.Offline // likewise
	past     store.Remote  // likewise
	fleet    store.Fleet   // likewise
	tier     string        // what a hit by Lookup names as its tier
	private  bool          // the backend is this process's memory and nothing else

	enabled   atomic.Bool
	counters  *counters
	flights   *flight.Group[outcome]
	dull      pauses // keys whose answer was not worth keeping, so that nobody waits for the next one
	retries   pauses // keys whose handler has failed while there was a stale page
	refreshes refreshes
	places    chan struct{} // nil = no bound
	life      context.Context
	end       context.CancelFunc

	status  *statusWriter
	sources sources

	// yield is called at the points where a test wants to let others run. Nil but in tests.
	yield func(point string)
}

// sources are the ways in which a stored answer reaches a client.
type sources struct {
	memory, backend, offline *source // hits
	miss, stale              fills   // nothing was there, or something stale
}

// fills are the ways in which an answer reaches a client that a handler has just made.
type fills struct {
	collapsed                       *source // for another request
	stored, fenced, refused, doubts *source // for this one
}

// New returns a cache. It reports every mistake of the configuration, down to the backend's; it does no I/O.
func New(c Config) (*Cache, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	cache := &Cache{config: c, counters: newCounters(), flights: flight.NewGroup[outcome]()}
	cache.dull.init(dullFor, dullFor)
	cache.retries.init(leastRetry, mostRetry)
	cache.store = c.Store
	if cache.store == nil {
		cache.store = store.New(memstore.New(memstore.Config{}), store.Config{Logger: c.Logger})
		cache.ownStore = true
	}
	if err := cache.store.Check(); err != nil {
		return nil, fmt.Errorf("output: Config.Store: %w", err)
	}
	cache.backend = cache.store.Backend()
	cache.local, _ = store.As[store.Local](cache.backend)
	cache.offline, _ = store.As[store.Offline](cache.backend)
	cache.fleet, _ = store.As[store.Fleet](cache.backend)
	cache.past, _ = store.As[store.Remote](cache.backend)
	cache.tier = "store"
	if t, ok := store.As[store.Tier](cache.backend); ok {
		cache.tier = t.Tier()
	}
	cache.private = cache.local != nil && cache.offline == nil && cache.tier == "memory"
	if c.MaxFills > 0 {
		cache.places = make(chan struct{}, c.MaxFills)
	}
	cache.status = &statusWriter{statusName(c.Name), c.Status}
	cache.sources = cache.status.sources(cache.tier)
	cache.life, cache.end = context.WithCancel(context.Background())
	cache.enabled.Store(true)
	return cache, nil
}

// complete fills in defaults and finds mistakes.
func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = defaultName
	}
	for i := range len(c.Name) {
		if c.Name[i] <= 0x20 || c.Name[i] >= 0x7f {
			return fmt.Errorf("output: Config.Name %q: visible ASCII only, it stands in a header", c.Name)
		}
	}
	if len(c.Name) > 64 {
		return fmt.Errorf("output: Config.Name has %d bytes: at most 64", len(c.Name))
	}
	if len(c.Version) > 256 {
		return fmt.Errorf("output: Config.Version has %d bytes: at most 256", len(c.Version))
	}
	if c.MaxFills < 0 {
		return fmt.Errorf("output: Config.MaxFills is %d: use 0 for no bound", c.MaxFills)
	}
	if c.Patience < 0 {
		return fmt.Errorf("output: Config.Patience is %s: use 0 for %s", c.Patience, DefaultPatience)
	}
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	if c.Status > StatusOff {
		return fmt.Errorf("output: Config.Status is %d: use StatusFull, StatusShort or StatusOff", c.Status)
	}
	for name, f := range c.Values {
		if name == "" || f == nil {
			return fmt.Errorf("output: Config.Values[%q]: needs a name and a function", name)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = NopObserver{}
	}
	return nil
}

func (w *statusWriter) sources(tier string) sources {
	return sources{
		memory:  &source{writer: w, before: "hit", detail: "memory"},
		backend: &source{writer: w, before: "hit", detail: tier},
		offline: &source{writer: w, before: "hit", detail: "offline"},
		miss:    w.fills("fwd=uri-miss"),
		stale:   w.fills("fwd=stale"),
	}
}

func (w *statusWriter) fills(fwd string) fills {
	return fills{
		collapsed: &source{writer: w, before: fwd + "; collapsed"},
		stored:    &source{writer: w, before: fwd + "; stored", own: true},
		fenced:    &source{writer: w, before: fwd, detail: reasonFenced, own: true, unkept: true},
		refused:   &source{writer: w, before: fwd, detail: reasonRefused, own: true, unkept: true},
		doubts:    &source{writer: w, before: fwd, detail: reasonBackend, own: true, unkept: true},
	}
}

// Store returns the store that keeps the pages, for values that share their tags.
func (c *Cache) Store() *store.Store { return c.store }

// SetEnabled switches the cache off and on. While it is off every request passes by; evictions go on, so that nothing
// old is there when it is switched on again.
func (c *Cache) SetEnabled(on bool) { c.enabled.Store(on && c.life.Err() == nil) }

// Close ends the fills that are under way, waits a few seconds for those in the background, and closes the store if New
// made it. It returns an error if one of them does not end. Requests that still come pass by. A second call does nothing.
func (c *Cache) Close() error {
	c.enabled.Store(false)
	c.end()
	err := c.refreshes.close()
	if c.ownStore {
		if failed := c.store.Close(); failed != nil {
			err = errors.Join(err, fmt.Errorf("output: close the store: %w", failed))
		}
	}
	return err
}

func (c *Cache) at(point string) {
	if c.yield != nil {
		c.yield(point)
	}
}
