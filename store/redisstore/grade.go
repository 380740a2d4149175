package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Grade is how much the promise of an eviction is worth with a server, from the least to the most. It is found at the
// first use and looked at again from time to time.
type Grade uint8

const (
	// gradeUnknown is the zero value: not found yet, and in [Config] the default.
	gradeUnknown Grade = iota
	// GradeNone: there is none. The server runs no scripts, is a replica, is older than version 7, or the namespace
	// is in use with another layout. Everything is a miss; with a replica, an error.
	GradeNone
	// GradeUntilFailover: scripts may not ask the server who it is (INFO is refused to them, as by some managed
	// services). After a failover, or a restart from an older copy, what had been evicted may be served again.
	GradeUntilFailover
	// GradeExceptSplitBrain: the server has replicas. An old master that is cut off from a new one may serve what
	// was evicted at the new one, to those who still reach it, and confirm evictions of which the new one never
	// hears: until it notices, if min-replicas-to-write tells it to, else for as long as it is cut off. What it
	// confirmed so may be served by the new one until its TTL is over.
	GradeExceptSplitBrain
	// GradeExact: no look-up that begins after an eviction has returned finds what it evicted.
	GradeExact
)

// String returns the grade in words.
func (g Grade) String() string {
	switch g {
	case GradeNone:
		return "none"
	case GradeUntilFailover:
		return "exact until a failover"
	case GradeExceptSplitBrain:
		return "exact except in a split brain"
	case GradeExact:
		return "exact"
	default:
		return "unknown"
	}
}

// Grade returns what the server was found to be good for, "unknown" before the first use. It does no I/O.
func (s *Store) Grade() Grade {
	if known := s.standing.Load(); known != nil {
		return known.grade
	}
	return gradeUnknown
}

// standing is what is known of the server. It does not change.
type standing struct {
	grade    Grade
	why      error // what keeps the grade below exact
	identity bool  // scripts may ask the server who it is
	copies   int   // how many replicas an eviction has to reach where Config.SplitBrainHold asks for it
	found    time.Time
}

// scripts returns those that the server can run.
func (k *standing) scripts() *scripts {
	if k.identity {
		return withIdentity
	}
	return withoutIdentity
}

// replica reports whether what was found is a replica. That passes: it is promoted, or the client finds the master.
func (k *standing) replica() bool {
	return errors.Is(k.why, errNotMaster) || redis.HasErrorPrefix(k.why, "READONLY ")
}

// refusal says that the grade is less than what is accepted.
func (k *standing) refusal(least Grade) error {
	return fmt.Errorf("redisstore: the grade is %q, Config.Grade accepts %q at least: %w", k.grade, least, k.why)
}

// silent reports whether scripts would have to run without knowing the server, and that is not accepted. They must not
// then, not even to evict: they would take the clock away from those who do know the server.
func (s *Store) silent(known *standing) bool {
	return !known.identity && s.config.Grade > GradeUntilFailover
}

var (
	errHasReplicas = errors.New("redisstore: the server has replicas, and after a failover an old master that is cut off may " +
		"serve for a while what was evicted: set min-replicas-to-write to the number of replicas to keep that short")
	errMinReplicas = errors.New("redisstore: the server has replicas, and after a failover an old master that is cut off may " +
		"serve until it notices (min-replicas-max-lag) what was evicted")
)

// suspect looks at an error of a script. It reports whether the error is a finding about the server rather than an
// accident, and has the server looked at again soon if so.
func (s *Store) suspect(err error) bool {
	if !finding(err) {
		return false
	}
	s.probes.hasten()
	if _, ok := errors.AsType[*layoutError](err); ok {
		s.settle(&standing{grade: GradeNone, why: err, identity: true, found: time.Now()})
	}
	return true
}

// finding reports whether an error means that the server gives no promise: it will say the same again until somebody
// changes something.
func finding(err error) bool {
	if _, ok := errors.AsType[*layoutError](err); ok || errors.Is(err, errNotMaster) || errors.Is(err, errReply) {
		return true
	}
	if _, ok := errors.AsType[redis.Error](err); !ok {
		return false // not the server's words
	}
	// HasErrorPrefix leaves out a leading "ERR ".
	for _, prefix := range []string{"unknown command", "NOPERM ", "READONLY ", "WRONGTYPE "} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// settle makes k what is known, and says so if it is news.
func (s *Store) settle(k *standing) {
	before := s.standing.Swap(k)
	if before != nil && before.grade == k.grade && (before.why == nil) == (k.why == nil) {
		return
	}
	log := s.config.Logger.With("namespace", s.config.Namespace, "grade", k.grade.String())
	switch {
	case k.grade < s.config.Grade:
		log.Error("redisstore: the server is not good enough, nothing is cached in it",
			"accepted", s.config.Grade.String(), "error", k.why)
	case k.why != nil:
		log.Warn("redisstore: the grade was found", "error", k.why)
	default:
		log.Info("redisstore: the grade was found")
	}
}
