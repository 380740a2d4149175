package output

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// dullKeys remembers for a moment which keys had an answer that is not worth keeping, so that nobody waits for the
// next one. It has a fixed number of places, each for one key at a time; a key that lost its place, or that shares a
// hash with another, costs a wait more or less and is never wrong.
type dullKeys struct {
	seed   maphash.Seed
	start  time.Time
	places [1024]dullKey
}

type dullKey struct {
	hash  atomic.Uint64
	until atomic.Int64 // nanoseconds after start
}

// dullFor is how long such a key is remembered.
const dullFor = 2 * time.Second

func (d *dullKeys) init() { d.seed, d.start = maphash.MakeSeed(), time.Now() }

func (d *dullKeys) place(key []byte) (*dullKey, uint64) {
	h := maphash.Bytes(d.seed, key)
	return &d.places[h%uint64(len(d.places))], h
}

func (d *dullKeys) remember(key []byte) {
	p, h := d.place(key)
	p.hash.Store(h)
	p.until.Store(int64(time.Since(d.start) + dullFor))
}

func (d *dullKeys) remembered(key []byte) bool {
	p, h := d.place(key)
	return p.hash.Load() == h && p.until.Load() > int64(time.Since(d.start))
}
