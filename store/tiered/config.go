package tiered

import (
	"fmt"
	"log/slog"
	"time"
)

// Mode says what memory may answer.
type Mode uint8

const (
	// Lease: nothing that was evicted anywhere; evictions wait for this process. The default.
	Lease Mode = iota
	// Bounded: what was evicted at most a lease ago; evictions do not wait for this process.
	Bounded
)

// String returns the mode's name in lower case.
func (m Mode) String() string {
	switch m {
	case Lease:
		return "lease"
	case Bounded:
		return "bounded"
	default:
		return fmt.Sprintf("Mode(%d)", uint8(m))
	}
}

// DefaultLease is how long a process answers from memory after it has asked for news, where Config names no time.
const DefaultLease = 250 * time.Millisecond

// Config of a [Store]. The zero value works.
type Config struct {
	Mode Mode
	// Lease is how long this process answers from memory after it has asked for news. It asks three times in each,
	// and an eviction waits for a process that has died for a tenth more than that. 0 = DefaultLease. All processes
	// on one namespace must have the same, or the longest must be told to those that only evict.
	Lease time.Duration
	// OfflineFor is for how long after a lease has run out, while the remote cannot be reached, memory still answers
	// those who ask for it by [Store.PeekOffline]. What other processes evict meanwhile is not noticed; what this one
	// evicts is. 0 = not at all.
	OfflineFor time.Duration
	// Logger hears of polls that fail. Nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Mode > Bounded:
		return fmt.Errorf("tiered: Config.Mode is %s: use Lease or Bounded", c.Mode)
	case c.Lease < 0:
		return fmt.Errorf("tiered: Config.Lease is %s: use 0 for %s", c.Lease, DefaultLease)
	case c.Lease > 0 && c.Lease < 10*time.Millisecond, c.Lease > time.Minute:
		return fmt.Errorf("tiered: Config.Lease is %s: use 10ms to 1m, or 0 for %s", c.Lease, DefaultLease)
	case c.OfflineFor < 0:
		return fmt.Errorf("tiered: Config.OfflineFor is %s: use 0 for not at all", c.OfflineFor)
	}
	return nil
}
