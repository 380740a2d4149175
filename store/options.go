package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// What a zero in [Options] stands for.
const (
	DefaultTTL      = 60 * time.Second
	DefaultMaxBytes = 1 << 20
)

// Options say how a value is kept. The zero value keeps it for [DefaultTTL]. A mistake in them (a negative duration, an
// invalid tag) is an error of the call.
type Options struct {
	// TTL is for how long the value is fresh. Zero is DefaultTTL, or, with Until, no limit but that.
	TTL time.Duration
	// Until is when it ceases to be fresh at the latest, by the wall clock: the end of an offer, midnight.
	Until time.Time
	// Sliding ends it earlier, when it has not been asked for so long. It needs TTL or Until as the limit.
	Sliding time.Duration
	// Tags are the names under which it can be evicted, MaxTags at most.
	Tags []string
	// Jitter shortens the TTL by a random part of it, up to this fraction, so that values that were loaded together
	// do not expire together. 0 = none; less than 1.
	Jitter float64
	// StaleIfError keeps the value for so long after it has ceased to be fresh. It is returned then if the load
	// fails, and for the Throttle of [Config] after that without another load. An evicted value never is.
	StaleIfError time.Duration
	// SoftTimeout is how long a caller that has such a value waits for a load before it takes that. The load goes on.
	// 0 = no limit.
	SoftTimeout time.Duration
	// Timeout is how long a caller waits for a load at most, before it takes such a value or else an error that is
	// context.DeadlineExceeded. The load goes on. 0 = as long as the load may take; see [Config].
	Timeout time.Duration
	// EagerRefresh loads the value anew, in the background and once, when it is asked for after this fraction of its
	// TTL. 0 = never; less than 1.
	EagerRefresh float64
	// Negative is for how long it is remembered that the load returned ErrNotFound. 0 = not at all.
	Negative time.Duration
	// MaxBytes is the most that an encoded value may have to be kept. 0 = DefaultMaxBytes.
	MaxBytes int64
	// Immutable is the caller's word that nobody changes what is behind the value's pointers, slices and maps. Then
	// one decoded form is given to everybody instead of a copy to each.
	Immutable bool
	// CollapseFleet has one process load the value while others that want it wait, 2 s at most, for what that keeps,
	// and then load it themselves. A process that crashes meanwhile costs them 1.5 s. It takes a backend that is a
	// [Fleet], costs each load two more trips, and is for loads that take longer than that and less than 1.5 s. Loads
	// of [GetOrSetMany] do without.
	CollapseFleet bool
}

// For returns Options that keep a value for ttl, to be evicted by tags.
func For(ttl time.Duration, tags ...string) Options { return Options{TTL: ttl, Tags: tags} }

// check returns the first mistake.
func (o *Options) check() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"TTL", o.TTL},
		{"Sliding", o.Sliding},
		{"StaleIfError", o.StaleIfError},
		{"SoftTimeout", o.SoftTimeout},
		{"Timeout", o.Timeout},
		{"Negative", o.Negative},
	} {
		if d.value < 0 {
			return fmt.Errorf("store: Options.%s is %s: it must not be negative", d.field, d.value)
		}
	}
	for _, f := range []struct {
		field string
		value float64
	}{{"Jitter", o.Jitter}, {"EagerRefresh", o.EagerRefresh}} {
		if !(f.value >= 0 && f.value < 1) { // written so that a NaN is refused
			return fmt.Errorf("store: Options.%s is %v: use a fraction from 0 up to, but not, 1", f.field, f.value)
		}
	}
	switch {
	case o.MaxBytes < 0:
		return fmt.Errorf("store: Options.MaxBytes is %d: use 0 for %d", o.MaxBytes, DefaultMaxBytes)
	case o.Sliding > 0 && o.TTL == 0 && o.Until.IsZero():
		return errors.New("store: Options.Sliding has no limit: set TTL or Until, else a value that is asked for often " +
			"would never be loaded again")
	case o.SoftTimeout > 0 && o.Timeout > 0 && o.SoftTimeout > o.Timeout:
		return fmt.Errorf("store: Options.SoftTimeout is %s, longer than Timeout (%s)", o.SoftTimeout, o.Timeout)
	}
	return checkTags(o.Tags)
}

func checkTags(tags []string) error {
	if len(tags) > MaxTags {
		return fmt.Errorf("store: %d tags, a value may have %d", len(tags), MaxTags)
	}
	for _, tag := range tags {
		if err := CheckTag(tag); err != nil {
			return err
		}
	}
	return nil
}

// lifetime returns for how long a value is fresh from now on. It is not positive if that is over already.
func lifetime(ttl time.Duration, until time.Time, jitter float64) time.Duration {
	if ttl == 0 && until.IsZero() {
		ttl = DefaultTTL
	}
	if jitter > 0 {
		ttl -= time.Duration(rand.Float64() * jitter * float64(ttl)) //nolint:gosec // nobody gains by guessing it
	}
	if until.IsZero() {
		return ttl
	}
	if left := time.Until(until); ttl == 0 || left < ttl {
		return left
	}
	return ttl
}

func (o *Options) maxBytes() int64 {
	if o.MaxBytes == 0 {
		return DefaultMaxBytes
	}
	return o.MaxBytes
}
