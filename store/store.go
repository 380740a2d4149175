package store

import (
	"context"
	"fmt"
	"log/slog"
)

// Config of a [Store]. The zero value works for a backend in this process.
type Config struct {
	// Namespace keeps applications that share a backend apart. It is part of every key. A shared backend needs
	// one; a backend in this process does not.
	Namespace string
	// Logger hears of trouble that no caller is told about. Nil discards.
	Logger *slog.Logger
}

// Store is the portable type over a [Backend]: it validates what it is given and wraps errors once. All methods may
// be called concurrently.
type Store struct {
	backend Backend
	config  Config
}

// New returns a Store over b. It does no I/O; a mistake in the configuration is kept and reported by [Store.Check].
func New(b Backend, c Config) *Store {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{backend: b, config: c}
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
	if n := len(s.config.Namespace); n > maxNamespace {
		return fmt.Errorf("store: Namespace has %d bytes: at most %d", n, maxNamespace)
	}
	return s.backend.Check()
}

const maxNamespace = 128

// Delete forgets keys, and beats a computation of their values that is under way.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.backend.Delete(ctx, keys...); err != nil {
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

// Close closes the backend.
func (s *Store) Close() error { return s.backend.Close() }
