package output

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// pauses remembers of which keys something is not to be tried again for a while. It has a fixed number of places, each
// for one key at a time; a key that lost its place, or that shares a hash with another, costs a try more or less and is
// never wrong.
type pauses struct {
	seed   maphash.Seed
	start  time.Time
	least  time.Duration // the first pause of a key
	most   time.Duration // each further one is twice as long, up to this
	places [1024]pause
}

type pause struct {
	hash   atomic.Uint64
	until  atomic.Int64 // nanoseconds after start
	length atomic.Int64 // nanoseconds
}

func (p *pauses) init(least, most time.Duration) {
	p.seed, p.start, p.least, p.most = maphash.MakeSeed(), time.Now(), least, most
}

func (p *pauses) place(key []byte) (*pause, uint64) {
	h := maphash.Bytes(p.seed, key)
	return &p.places[h%uint64(len(p.places))], h
}

// begin begins a pause, and returns how long it is. It is twice the key's last one, unless that was over for longer than
// any pause takes: then it is forgotten.
func (p *pauses) begin(key []byte) time.Duration {
	at, h := p.place(key)
	now, length := int64(time.Since(p.start)), int64(p.least)
	if at.hash.Load() == h && now < at.until.Load()+int64(p.most) {
		length = min(2*at.length.Load(), int64(p.most))
	}
	at.hash.Store(h)
	at.length.Store(length)
	at.until.Store(now + length)
	return time.Duration(length)
}

// holds reports whether a pause of the key is under way.
func (p *pauses) holds(key []byte) bool {
	at, h := p.place(key)
	return at.hash.Load() == h && at.until.Load() > int64(time.Since(p.start))
}

// end forgets the key.
func (p *pauses) end(key []byte) {
	if at, h := p.place(key); at.hash.Load() == h {
		at.hash.Store(0)
	}
}
