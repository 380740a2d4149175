package security_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// stores are the kinds of stores under attack, as a deployed application has them.
var stores = []string{"memstore", "redisstore", "tiered"}

// patience is long enough for a machine that has other things to do: nothing here is about time.
const patience = 5 * time.Second

var namespaces atomic.Int64

// stand is what keeps the pages of one case, for all processes of its application.
type stand struct {
	tb        testing.TB
	kind      string
	server    *testredis.Server // nil for memory
	client    redis.UniversalClient
	namespace string
	budget    int64 // of the memory of one process
	log       *journal
	held      *held
}

// newStand takes the server that all share, unless it is to be one of its own.
func newStand(tb testing.TB, kind string, shared *testredis.Server, own bool, budget int64) *stand {
	tb.Helper()
	s := &stand{
		tb: tb, kind: kind, budget: budget, log: &journal{}, held: &held{values: map[string][]byte{}},
		namespace: fmt.Sprint("attacked-", namespaces.Add(1)),
	}
	if kind == "memstore" {
		return s
	}
	if s.server = shared; own {
		s.server = testredis.Start(tb, "--maxmemory", fmt.Sprint(budget+4<<20))
	}
	options := redisstore.Options(s.server.Addr())
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience, patience
	s.client = redis.NewUniversalClient(options)
	tb.Cleanup(func() { _ = s.client.Close() })
	return s
}

// process is the part of a stand that each process has for itself.
type process struct {
	local   *memstore.Store
	remote  *redisstore.Store
	breaker *breaker.Breaker
	backend store.Backend
}

// open makes what one process has.
func (s *stand) open(keys [][]byte) *process {
	s.tb.Helper()
	p := &process{}
	if s.kind != "redisstore" {
		p.local = memstore.New(memstore.Config{MaxBytes: s.budget})
	}
	if s.kind == "memstore" {
		p.backend = p.local
		return p
	}
	log := slog.New(s.log)
	lease := 60 * time.Millisecond // nobody has one; the first eviction waits for it
	if s.kind == "tiered" {
		lease = 300 * time.Millisecond // one that a busy machine can keep
	}
	p.remote = redisstore.New(s.client, redisstore.Config{
		Namespace: s.namespace, Keys: keys, Lease: lease, Logger: log,
		LookupTimeout: patience, StoreTimeout: patience, EvictTimeout: patience,
	})
	p.breaker = breaker.New(p.remote, breaker.Config{
		Logger: log, LookupTimeout: patience, StoreTimeout: patience, EvictTimeout: patience,
	})
	p.backend = p.breaker
	if s.kind == "tiered" {
		front := tiered.New(p.local, p.breaker, tiered.Config{Lease: lease, Logger: log})
		p.backend = front
		s.until("a lease", func() bool { return front.Info().Leased })
	}
	return p
}

// until waits for what has to happen.
func (s *stand) until(what string, yes func() bool) {
	s.tb.Helper()
	for began := time.Now(); !yes(); time.Sleep(time.Millisecond) {
		if time.Since(began) > failsafe {
			s.tb.Fatalf("%s: %s did not come", s.kind, what)
		}
	}
}

// records returns what stands at the server: a record under each name.
func (s *stand) records() map[string]string {
	s.tb.Helper()
	ctx := context.Background()
	found := map[string]string{}
	for _, name := range s.names() {
		if !strings.Contains(name, "}:k:") {
			continue
		}
		text, err := s.client.Get(ctx, name).Result()
		if err != nil {
			s.tb.Fatal(err)
		}
		found[name] = text
	}
	return found
}

func (s *stand) names() []string {
	s.tb.Helper()
	found, err := s.client.Keys(context.Background(), "{"+s.namespace+":*").Result()
	if err != nil {
		s.tb.Fatal(err)
	}
	return found
}

// put writes at the server as somebody would who can, and leaves the time to live as it is.
func (s *stand) put(name, text string) {
	s.tb.Helper()
	if err := s.client.Set(context.Background(), name, text, redis.KeepTTL).Err(); err != nil {
		s.tb.Fatal(err)
	}
}

// usage is what the names occupy at the server.
func (s *stand) usage(names []string) (n int64) {
	s.tb.Helper()
	for _, name := range names {
		size, err := s.client.MemoryUsage(context.Background(), name, 0).Result()
		if err != nil {
			s.tb.Fatal(err)
		}
		n += size
	}
	return n
}

// held is everything that was ever handed to a store, by key.
type held struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (h *held) contains(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, value := range h.values {
		if strings.Contains(key, text) || bytes.Contains(value, []byte(text)) {
			return true
		}
	}
	return false
}

func (h *held) keys() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for key := range maps.Keys(h.values) {
		all = append(all, key)
	}
	return all
}

// spy is a backend that remembers what it was given. Everything else is found behind it.
type spy struct {
	store.Backend
	held *held
	// lean: only the keys are remembered, where what the process holds is measured.
	lean bool
}

func (s spy) Unwrap() store.Backend { return s.Backend }

func (s spy) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	s.held.mu.Lock()
	if s.held.values[key] = nil; !s.lean {
		s.held.values[key] = r.Value
	}
	s.held.mu.Unlock()
	return s.Backend.Store(ctx, key, r)
}

// journal is a log that quotes nothing, so that whatever is told to it can be seen as it is.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value.Any())
		return true
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, text)
	return nil
}

// Write is for Echo's own logger, which ends each line.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// forged counts entries that somebody could take for two, or that a terminal would obey.
func (j *journal) forged() (n, all int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, entry := range j.entries {
		if strings.ContainsAny(entry, "\r\n\x1b") || strings.Contains(entry, "FAKE") {
			n++
		}
	}
	return n, len(j.entries)
}
