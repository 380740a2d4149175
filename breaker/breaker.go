package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/echocache/echocache/store"
)

// Breaker is a [store.Backend] around another one. Its look-ups and stores take no longer than their budgets, and none
// at all while the backend is in trouble: after five failures in a row, or when at least half of at least twenty calls
// of the last ten seconds have failed. Then a goroutine of its own asks the backend whether it is back, after about 1,
// 2, 4, 8 and then every 10 s, and not before 2 s if it has opened again and again; no caller ever does.
//
// Evictions and deletions do not pass through the breaker, and are not lost: what the backend does not confirm within
// [Config.EvictTimeout] is queued, and the error wraps [store.ErrEvictionPending]. What is queued is a miss here at
// once.
//
// "Here" is this Breaker: have one for each backend in a process, and everybody use it.
//
// All methods may be called concurrently. A panic of the backend is passed on to who called it.
type Breaker struct {
	backend store.Backend
	prompt  bool          // it leaves a look-up in time by itself
	guard   store.Backend // what Unwrap returns
	config  Config
	fault   error // what is wrong with config

	calls     places // look-ups and stores
	evictions places
	circuit   *gobreaker.TwoStepCircuitBreaker[struct{}]
	ledger    *ledger
	file      *file // nil without Config.JournalFile
	keeper    *keeper
	probing   atomic.Bool
	closed    atomic.Bool
}

// Rules after which the breaker opens.
const (
	inARow  = 5
	ofCalls = 20
	window  = 10 * time.Second
	bucket  = time.Second
)

// New returns a Breaker around b and starts its goroutine, which Close ends. A mistake in the configuration, or a
// journal file that cannot be used, is kept and reported by [Breaker.Check]; then nothing is found, kept or evicted.
//
// It reads the journal file, but does not call the backend.
func New(b store.Backend, c Config) *Breaker { return open(b, c, osDisk) }

func open(backend store.Backend, c Config, d disk) *Breaker {
	c = c.withDefaults()
	b := &Breaker{
		backend: backend, config: c, fault: c.check(),
		calls: make(places, max(1, c.MaxCalls)), evictions: make(places, max(1, c.MaxCalls)),
	}
	if p, ok := backend.(store.Prompt); ok {
		b.prompt = p.PromptLookup()
	}
	_, whole := store.As[evictAller](backend)
	b.ledger = newLedger(c.MaxPending, whole)
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: c.Name, MaxRequests: 1, Interval: window, BucketPeriod: bucket,
		// How long it stays open is the keeper's affair, who waits longer each time and not as long as others.
		Timeout:       1,
		ReadyToTrip:   tooMany,
		IsSuccessful:  func(err error) bool { return err == nil },
		IsExcluded:    func(err error) bool { return errors.Is(err, errIgnored) },
		OnStateChange: b.turned,
	})
	b.keeper = newKeeper(b)
	if b.fault == nil && backend == nil {
		b.fault = errors.New("breaker: the backend is nil: pass the one to protect")
	}
	if b.fault == nil && c.JournalFile != "" {
		b.fault = b.replay(d)
	}
	if b.fault != nil {
		b.ledger.end()
		return b
	}
	b.guard = guarded(b)
	go b.keeper.run()
	return b
}

// replay opens the journal file and queues what it holds.
func (b *Breaker) replay(d disk) error {
	f, names, err := openFile(b.config.JournalFile, d)
	if err != nil {
		return fmt.Errorf("breaker: Config.JournalFile: %w", err)
	}
	b.ledger.load(names)
	if _, all := b.ledger.count(); all && !b.ledger.whole {
		f.close()
		return errors.New("breaker: Config.JournalFile asks to evict everything, which this backend has no way to do: " +
			"change its namespace, then remove the file")
	}
	b.ledger.saved(names)
	b.file = f
	if len(names) > 0 {
		b.config.Logger.Warn("evictions from the journal file", "name", b.config.Name, "pending", len(names))
	}
	return nil
}

func tooMany(c gobreaker.Counts) bool {
	judged := c.TotalSuccesses + c.TotalFailures
	return c.ConsecutiveFailures >= inARow || judged >= ofCalls && 2*c.TotalFailures >= judged
}

// turned is told of gobreaker's changes, under its lock: nothing here may wait or call gobreaker.
func (b *Breaker) turned(_ string, _, to gobreaker.State) {
	if to == gobreaker.StateHalfOpen {
		return // somebody looked at its clock, which means nothing here
	}
	b.ledger.trip(to == gobreaker.StateOpen)
	b.keeper.poke()
}

// State returns what the breaker is doing. It changes nothing. After Close, and with a mistake in the configuration,
// it is Open.
func (b *Breaker) State() State {
	switch m := b.ledger.mode.Load(); {
	case m == calm || m == wary:
		return Closed
	case m == shut && b.probing.Load():
		return HalfOpen
	default:
		return Open
	}
}

// Pending returns how many tags and keys are queued to be evicted. Everything at once counts as one.
func (b *Breaker) Pending() int {
	n, _ := b.ledger.count()
	return n
}

// Retry has what is queued sent now, and the backend asked a moment later, instead of when their waits are over. It is for
// whoever has heard of the backend; package tiered does, which asks it for news all the time. It never waits.
func (b *Breaker) Retry() {
	if b.fault != nil {
		return
	}
	b.keeper.heard.Store(true)
	b.keeper.poke()
}

// Unwrap returns the backend, for its optional abilities: those to read, to write and to claim ([store.Local],
// [store.Replacer], [store.Fleet]), if it has them, are kept behind the breaker.
func (b *Breaker) Unwrap() store.Backend { return b.guard }

// Check returns what is wrong with the configuration, else what the backend's Check returns. It does no I/O.
func (b *Breaker) Check() error {
	if b.fault != nil {
		return b.fault
	}
	return b.backend.Check()
}

// closeWait is how long Close tries to have confirmed what is queued.
const closeWait = 2 * time.Second

// Close tries for up to 2 s to have the queued evictions confirmed, waits as long for calls that hang, ends the
// breaker's goroutine and closes the backend. It returns an error if evictions are left, which says how many and what to
// do about them, or if the backend holds calls that do not return. A second call does nothing.
func (b *Breaker) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.ledger.end()
	if b.fault != nil {
		if b.backend == nil {
			return nil
		}
		return b.backend.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	// Evictions under way may have to be queued yet.
	idle := b.evictions.drain(ctx)
	gone := b.keeper.end(ctx)
	idle = b.calls.drain(ctx) && b.keeper.places.drain(ctx) && idle
	errs := []error{b.left()}
	if !idle {
		errs = append(errs, errors.New("breaker: the backend does not return from calls whose time is over"))
	}
	if !gone {
		errs = append(errs, errors.New("breaker: Config.OnStateChange does not return, or the disk of Config.JournalFile"))
	} else if b.file != nil {
		b.file.close()
	}
	return errors.Join(append(errs, b.backend.Close())...)
}

// left returns an error if evictions are queued. It names none of them: tags may hold users' ids.
func (b *Breaker) left() error {
	tags, keys, all := 0, 0, false
	for _, n := range b.ledger.names() {
		switch n.kind {
		case ofTag:
			tags++
		case ofKey:
			keys++
		default:
			all = true
		}
	}
	repair := "evict them again, or everything, once the backend is back"
	if b.file != nil {
		repair = "they are in Config.JournalFile, and carried out when a breaker is next started with it"
	}
	switch {
	case all:
		return fmt.Errorf("breaker: closed before the backend has confirmed that everything is evicted: %s", repair)
	case tags+keys > 0:
		return fmt.Errorf("breaker: closed with evictions of %d tags and %d keys that the backend has not confirmed: %s",
			tags, keys, repair)
	}
	return nil
}
