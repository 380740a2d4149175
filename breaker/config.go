package breaker

import (
	"fmt"
	"log/slog"
	"time"
)

// What a zero in [Config] stands for.
const (
	DefaultMaxPending    = 65_536
	DefaultMaxCalls      = 256
	DefaultLookupTimeout = 50 * time.Millisecond
	DefaultStoreTimeout  = 100 * time.Millisecond
	DefaultEvictTimeout  = 500 * time.Millisecond
)

// minTimeout tells a mistake from a choice: LookupTimeout: 50 means milliseconds to who wrote it.
const minTimeout = time.Millisecond

// Config of a [Breaker]. The zero value works: nothing is written to disk then.
type Config struct {
	// Name says in logs which breaker it is. Empty is "backend".
	Name string
	// JournalFile is the file to which evictions are written that the backend has not confirmed, before Evict
	// answers: they are carried out by the next breaker with this file if the process is killed. It and a file
	// of the same name with ".lock" after it are made with permission 0600, for tags may hold users' ids.
	//
	// WARNING: two breakers, of one process or of two, must not share it; the second one's Check fails. Lost
	// with the disk is lost: keep it on one that survives a restart of the container. And Evict waits for that
	// disk, without a bound, if something has to be queued.
	JournalFile string
	// MaxPending is from how many queued evictions on the journal is no longer looked into: then everything is a
	// miss here and nothing is stored until all are confirmed. No eviction is dropped for it: a backend with
	// EvictAll(context.Context) error is told to evict everything instead, of another one each distinct tag and
	// key stays queued, which costs memory. 0 = DefaultMaxPending.
	MaxPending int
	// MaxCalls bounds the look-ups and stores at the backend at once, those that nobody waits for any more
	// included, and apart from them the evictions. A look-up over it is a miss at once, an eviction is queued. Look-ups
	// of a [store.Prompt] backend are not counted: none outlasts its caller.
	// 0 = DefaultMaxCalls.
	MaxCalls int
	// LookupTimeout is how long a look-up may take, whether or not the backend heeds its context; at least 1 ms.
	// 0 = DefaultLookupTimeout.
	LookupTimeout time.Duration
	// SlowLookup is how long a look-up may take before it counts as a failure although its answer is used: from about
	// what a handler takes on, a page that is made costs less than one that is found. Then the breaker opens, and stays
	// open until a probe is quicker. Less than LookupTimeout; 0: only what takes longer than that is a failure.
	SlowLookup time.Duration
	// StoreTimeout is the same as LookupTimeout for storing a record. 0 = DefaultStoreTimeout.
	StoreTimeout time.Duration
	// EvictTimeout is how long an eviction may take before it is queued. 0 = DefaultEvictTimeout.
	EvictTimeout time.Duration
	// Classify says what an error of the backend means for its health; Unclassified leaves that to the breaker,
	// as nil does. It is not asked about nil, nor when the caller gave up. It may be called concurrently.
	Classify func(error) Class
	// OnStateChange hears of every change, in order, from the breaker's goroutine. Nil: nobody does.
	//
	// WARNING: while it runs nothing is probed and no eviction is retried, and it must not call Close.
	OnStateChange func(from, to State)
	// Logger hears of changes of state and of evictions that are queued. It is told how many they are, never
	// which. Nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "backend"
	}
	if c.MaxPending == 0 {
		c.MaxPending = DefaultMaxPending
	}
	if c.MaxCalls == 0 {
		c.MaxCalls = DefaultMaxCalls
	}
	if c.LookupTimeout == 0 {
		c.LookupTimeout = DefaultLookupTimeout
	}
	if c.StoreTimeout == 0 {
		c.StoreTimeout = DefaultStoreTimeout
	}
	if c.EvictTimeout == 0 {
		c.EvictTimeout = DefaultEvictTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.MaxPending < 0:
		return fmt.Errorf("breaker: Config.MaxPending is %d: use 0 for %d", c.MaxPending, DefaultMaxPending)
	case c.MaxCalls < 0:
		return fmt.Errorf("breaker: Config.MaxCalls is %d: use 0 for %d", c.MaxCalls, DefaultMaxCalls)
	case c.SlowLookup < 0 || c.SlowLookup >= c.LookupTimeout && c.SlowLookup > 0:
		return fmt.Errorf("breaker: Config.SlowLookup is %s: set less than LookupTimeout (%s), or 0 for none", c.SlowLookup, c.LookupTimeout)
	}
	for _, t := range []struct {
		field         string
		value, normal time.Duration
	}{
		{"LookupTimeout", c.LookupTimeout, DefaultLookupTimeout},
		{"StoreTimeout", c.StoreTimeout, DefaultStoreTimeout},
		{"EvictTimeout", c.EvictTimeout, DefaultEvictTimeout},
	} {
		if t.value < minTimeout {
			return fmt.Errorf("breaker: Config.%s is %s: set at least %s, or 0 for %s",
				t.field, t.value, minTimeout, t.normal)
		}
	}
	return nil
}
