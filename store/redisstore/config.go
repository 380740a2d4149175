package redisstore

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Defaults of a zero [Config].
const (
	defaultClusterShards = 16
	defaultLookupTimeout = 50 * time.Millisecond
	defaultStoreTimeout  = 100 * time.Millisecond
	defaultEvictTimeout  = 500 * time.Millisecond
	defaultLease         = 250 * time.Millisecond
	defaultMaxTags       = 1 << 16
	defaultMaxRecord     = 8 << 20
)

// Limits of a [Config].
const (
	maxNamespace = 64
	maxShards    = 1024
	minMaxTags   = 64
	maxMaxTags   = 1 << 22
	minMaxRecord = 4 << 10
	maxMaxRecord = 256 << 20
	maxTimeout   = time.Minute
)

// Config of a [Store]. Namespace is required; in every other field zero means the default.
type Config struct {
	// Namespace keeps applications that share a server apart: up to 64 letters, digits, "-", "_" and ".". All
	// instances and releases of an application have the same, so that they see each other's evictions.
	Namespace string
	// Shards is over how many hash slots the namespace is spread, up to 1024: 16 by default on a Cluster, where
	// about four times the number of masters are right, and 1 elsewhere. An eviction goes to each. All instances
	// need the same, for as long as the namespace lives: with another number everything is a miss.
	Shards int
	// Grade is the least promise that is accepted; [GradeExceptSplitBrain] by default. With a server that gives
	// less everything is a miss, nothing is kept, and Logger hears why.
	Grade Grade
	// LookupTimeout is how long a look-up may take; 50 ms by default.
	LookupTimeout time.Duration
	// StoreTimeout is how long a store may take; 100 ms by default.
	StoreTimeout time.Duration
	// EvictTimeout is how long an eviction or a deletion may take; 500 ms by default.
	EvictTimeout time.Duration
	// Lease is the longest lease of any process that keeps records in memory in front of this namespace, see package
	// tiered, whether or not this one does; 250 ms by default. The first eviction of a process waits a tenth more.
	Lease time.Duration
	// SplitBrainHold makes evictions hold also while two masters live, on a server with replicas that has
	// min-replicas-to-write set to their number: an eviction is confirmed only when that many replicas have it, and when
	// this process has known the server's present life for so long. Set min-replicas-max-lag and 3 s more, 13 s with
	// Redis's own 10 s; an old master writes nothing by then. Until it is over, after a start and after a failover,
	// evictions are carried out and fail, so that a breaker keeps them ([store.ErrEvictionPending]), and each costs a trip
	// to a replica besides. 0: evictions are confirmed at once, and a split brain may lose some ([GradeExceptSplitBrain]).
	SplitBrainHold time.Duration
	// MaxTags is how many evicted tags a shard remembers, from 64 to 4,194,304; 65,536 by default, about 7 MB. When
	// there are more the oldest quarter is forgotten, and so is every record whose fill began before that.
	MaxTags int
	// MaxRecord is what a record with its tags may occupy in bytes, from 4 KiB to 256 MiB; 8 MiB by
	// default. What is larger is not kept.
	MaxRecord int
	// Keys seal what a record says, each with 32 bytes: the first seals, all open (AES-256-GCM). A record that none of
	// them opens is a miss, and so is one that is not sealed. To change a key, add the new one at the end, then, when all
	// instances have it, put it first, and leave the old one out after the longest TTL. Empty: nothing is sealed, and
	// whoever can write to the server decides what is answered.
	Keys [][]byte
	// Logger hears of the grade, when it is found and when it changes. Nil discards.
	Logger *slog.Logger
}

// withDefaults fills in what is zero.
func (c Config) withDefaults(client redis.UniversalClient) Config {
	if c.Shards == 0 {
		c.Shards = 1
		if _, ok := client.(*redis.ClusterClient); ok {
			c.Shards = defaultClusterShards
		}
	}
	if c.Grade == gradeUnknown {
		c.Grade = GradeExceptSplitBrain
	}
	if c.LookupTimeout == 0 {
		c.LookupTimeout = defaultLookupTimeout
	}
	if c.StoreTimeout == 0 {
		c.StoreTimeout = defaultStoreTimeout
	}
	if c.EvictTimeout == 0 {
		c.EvictTimeout = defaultEvictTimeout
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.MaxTags == 0 {
		c.MaxTags = defaultMaxTags
	}
	if c.MaxRecord == 0 {
		c.MaxRecord = defaultMaxRecord
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check returns an error that names the first wrong field, its value, and what would be right.
func (c Config) check(client redis.UniversalClient) error {
	if err := checkClient(client); err != nil {
		return err
	}
	switch {
	case c.Namespace == "":
		return fmt.Errorf("redisstore: Config.Namespace is empty: name the application, because others may share the server")
	case len(c.Namespace) > maxNamespace || strings.ContainsFunc(c.Namespace, notInNamespace):
		return fmt.Errorf(`redisstore: Config.Namespace is %.80q: use up to %d letters, digits, "-", "_" and "."`,
			c.Namespace, maxNamespace)
	case c.Shards < 1 || c.Shards > maxShards:
		return fmt.Errorf("redisstore: Config.Shards is %d: set 1 to %d, or 0 for the default", c.Shards, maxShards)
	case c.Grade < GradeUntilFailover || c.Grade > GradeExact:
		return fmt.Errorf("redisstore: Config.Grade is %s: set GradeUntilFailover, GradeExceptSplitBrain or GradeExact", c.Grade)
	case c.MaxTags < minMaxTags || c.MaxTags > maxMaxTags:
		return fmt.Errorf("redisstore: Config.MaxTags is %d: set %d to %d, or 0 for %d",
			c.MaxTags, minMaxTags, maxMaxTags, defaultMaxTags)
	case c.MaxRecord < minMaxRecord || c.MaxRecord > maxMaxRecord:
		return fmt.Errorf("redisstore: Config.MaxRecord is %d bytes: set %d to %d, or 0 for %d",
			c.MaxRecord, minMaxRecord, maxMaxRecord, defaultMaxRecord)
	}
	if c.SplitBrainHold < 0 || c.SplitBrainHold > maxTimeout {
		return fmt.Errorf("redisstore: Config.SplitBrainHold is %s: set min-replicas-max-lag and 3 s more, %s at most, or 0 for none",
			c.SplitBrainHold, maxTimeout)
	}
	return c.checkTimeouts()
}

func (c Config) checkTimeouts() error {
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"LookupTimeout", c.LookupTimeout}, {"StoreTimeout", c.StoreTimeout}, {"EvictTimeout", c.EvictTimeout}, {"Lease", c.Lease}} {
		if f.value < time.Millisecond || f.value > maxTimeout {
			return fmt.Errorf("redisstore: Config.%s is %s: set %s to %s, or 0 for the default",
				f.name, f.value, time.Millisecond, maxTimeout)
		}
	}
	return nil
}

// checkClient refuses clients over which no promise can be given.
func checkClient(client redis.UniversalClient) error {
	switch c := client.(type) {
	case nil:
		return fmt.Errorf("redisstore: the client is nil: pass redis.NewUniversalClient(redisstore.Options(addrs...))")
	case *redis.Client:
		if c == nil {
			return fmt.Errorf("redisstore: the client is a nil *redis.Client: pass one that is connected")
		}
	case *redis.ClusterClient:
		if c == nil {
			return fmt.Errorf("redisstore: the client is a nil *redis.ClusterClient: pass one that is connected")
		}
	case *redis.Ring:
		return fmt.Errorf("redisstore: the client is a redis.Ring, which moves keys to other servers when one fails, and " +
			"evictions are lost with it: use Cluster or Sentinel")
	}
	return nil
}

func notInNamespace(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
