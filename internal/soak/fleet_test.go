package soak_test

import (
	"cmp"
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

const (
	namespace = "soak"
	shards    = 2 // an eviction is done when both have confirmed it
)

// rows are so few that readers meet.
const rows = 6

// instance is one process of the fleet.
type instance struct {
	name    string
	bounded bool
	backend store.Backend // the outermost
	near    *redisstore.Store
	breaker *breaker.Breaker
	values  *store.Store // nil: nobody calls GetOrSet there
	broken  *unsealed    // nil: values is called
	proxy   *proxy

	told [rows]atomic.Int64 // the newest version that it was told to evict
	owed [rows]atomic.Int64 // of them those that it has not confirmed at once
}

// plan is how an instance is built.
type plan struct {
	name    string
	tier    tiers
	mode    tiered.Mode
	patient bool // its timeouts are longer than most faults: what it does spans them
	values  bool
}

// tiers says where memory is.
type tiers uint8

const (
	noMemory     tiers = iota
	memoryFront        // in front of the breaker
	memoryBehind       // behind the breaker
)

// fleet is a mixed one, as while an application is changed from one to the next.
var fleet = []plan{
	{name: "lease", tier: memoryFront, mode: tiered.Lease, values: true},
	{name: "behind", tier: memoryBehind, mode: tiered.Lease, patient: true, values: true},
	{name: "bounded", tier: memoryFront, mode: tiered.Bounded, patient: true},
	{name: "plain", values: true},
	{name: "evictor"},
}

// variant is a way in which the fleet is broken. The zero variant is the product.
type variant struct {
	remote   func(p plan, b store.Backend) store.Backend           // around the backend in Redis
	design   func(w *world, p plan, b store.Backend) store.Backend // instead of the backend in Redis
	outer    func(p plan, b store.Backend) store.Backend           // around everything
	patient  bool                                                  // all instances are
	slow     time.Duration                                         // the longest delay on the way to the spared one, all the time
	fill     time.Duration                                         // the longest that a fill takes; 0 = defaultFill
	chaos    bool                                                  // faults are injected
	pair     bool                                                  // the server has a replica, and failovers are among the faults
	link     bool                                                  // the replica is behind a proxy of its own
	options  []string                                              // of the servers
	hold     time.Duration                                         // redisstore.Config.SplitBrainHold
	few      bool                                                  // there are few writers: what is kept lives longer
	blind    bool                                                  // scripts may not ask the server who it is, and that is accepted
	plain    bool                                                  // no instance has memory, so that evictions take no longer than a trip
	unsealed bool                                                  // GetOrSet is another one
	only     string                                                // the one fault of the server, and none elsewhere
	spared   string                                                // the instance that is not told to evict, and has to hear of it
}

// world is a fleet with its server, its source and its judge.
type world struct {
	*findings

	server    *testredis.Server // the master; with what follows the affair of who injects faults in servers
	replica   *testredis.Server // nil: there is none
	link      *proxy            // from the replica to the master, or nil
	rows      [rows]row
	instances []*instance
	evictors  []*instance // those of them that are told to evict
	writers   int
	longest   time.Duration // that a fill takes
	only      string        // see variant
	faults    faults
	tape      tape
	splits    splits
	clients   []redis.UniversalClient // of broken designs
	done      chan struct{}           // closed when readers are to stop
	readers   sync.WaitGroup
}

func newWorld(tb testing.TB, v variant) *world {
	tb.Helper()
	w := &world{findings: newFindings(), done: make(chan struct{}), tape: tape{began: time.Now()}}
	if v.pair {
		w.server, w.replica = testredis.StartPair(tb, v.options...)
		if v.link {
			w.link = newProxy(tb, w.server.Addr())
			w.replica.FollowAt(w.link.addr())
		}
	} else {
		w.server = testredis.Start(tb, v.options...)
	}
	for k := range w.rows {
		w.rows[k].key, w.rows[k].tag = "k"+string(rune('0'+k)), "row:"+string(rune('0'+k))
	}
	tb.Cleanup(func() {
		for _, c := range w.clients {
			_ = c.Close()
		}
	})
	w.only = v.only
	for _, p := range fleet {
		if v.plain {
			p.tier = noMemory
		}
		i := w.open(tb, p, v)
		w.instances = append(w.instances, i)
		if p.name != v.spared {
			w.evictors = append(w.evictors, i)
		}
	}
	w.longest = cmp.Or(v.fill, defaultFill)
	if w.writers = manyWriters; v.few {
		w.writers = fewWriters
	}
	return w
}

// blindUser may do everything but ask the server who it is.
const blindUser = "blind"

var blindOptions = []string{"--user", blindUser, "on", ">" + blindUser, "~*", "&*", "+@all", "-info"}

// open returns an instance, which ends with the test.
func (w *world) open(tb testing.TB, p plan, v variant) *instance {
	tb.Helper()
	i := &instance{name: p.name, bounded: p.tier != noMemory && p.mode == tiered.Bounded, proxy: newProxy(tb, w.server.Addr())}
	if p.name == v.spared {
		i.proxy.slow.Store(int64(v.slow))
	}
	o := redisstore.Options(i.proxy.addr())
	near := redisstore.Config{Namespace: namespace, Shards: shards, SplitBrainHold: v.hold}
	guard := breaker.Config{Name: p.name}
	if p.patient || v.patient {
		const long, longer = 700 * time.Millisecond, 1500 * time.Millisecond
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = long, long, long, long
		near.LookupTimeout, near.StoreTimeout, near.EvictTimeout = long, long, longer
		guard.LookupTimeout, guard.StoreTimeout, guard.EvictTimeout = long, long, longer
	}
	if v.blind {
		o.Username, o.Password, near.Grade = blindUser, blindUser, redisstore.GradeUntilFailover
	}
	client := redis.NewUniversalClient(o)
	tb.Cleanup(func() { _ = client.Close() })

	i.near = redisstore.New(client, near)
	var b store.Backend = i.near
	if v.remote != nil {
		b = v.remote(p, b)
	}
	if v.design != nil {
		b = v.design(w, p, b)
	}
	if p.tier == memoryBehind {
		b = tiered.New(memstore.New(memstore.Config{}), b, tiered.Config{Mode: p.mode})
	}
	i.breaker = breaker.New(b, guard)
	b = i.breaker
	if p.tier == memoryFront {
		b = tiered.New(memstore.New(memstore.Config{}), b, tiered.Config{Mode: p.mode})
	}
	if v.outer != nil {
		b = v.outer(p, b)
	}
	i.backend = b
	if p.values {
		i.values = store.New(b, store.Config{Namespace: namespace})
		if v.unsealed {
			i.broken = &unsealed{}
		}
	}
	if err := b.Check(); err != nil {
		tb.Fatalf("%s: %v", p.name, err)
	}
	tb.Cleanup(func() { i.close(tb) })
	return i
}

func (i *instance) close(tb testing.TB) {
	tb.Helper()
	end := i.backend.Close
	if i.values != nil {
		end = i.values.Close
	}
	if err := end(); err != nil {
		tb.Logf("%s: close: %v", i.name, err)
	}
}
