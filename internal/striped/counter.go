// Package striped counts what happens on all processors at once.
package striped

import (
	"sync/atomic"
	"time"
)

const stripes = 16

// Counter is a counter in stripes, so that two processors do not pass one cache line to and fro. The zero value works;
// all methods may be called concurrently.
type Counter struct{ stripes [stripes]stripe }

type stripe struct {
	atomic.Uint64
	_ [56]byte
}

// Add adds one, in a stripe chosen by noise, of which the low bits of a measured time have enough.
func (c *Counter) Add(noise time.Duration) { c.stripes[uint64(noise)%stripes].Add(1) }

// Load returns the sum. What is added meanwhile may be in it or not.
func (c *Counter) Load() (sum uint64) {
	for i := range c.stripes {
		sum += c.stripes[i].Load()
	}
	return sum
}
