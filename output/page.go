package output

import (
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/echocache/echocache/response"
	"github.com/echocache/echocache/store"
)

// page is an entry ready to be replayed: everything that all its answers share is made once. It is immutable but for
// the last clock strings and making, and used by many answers at once.
type page struct {
	wire
	whole  variant  // the page as it is
	capped []string // of a Cache-Control that promises no more than the page itself has left; nil if there is none
	clock  atomic.Pointer[clock]
	held   store.Held // where the page is kept in memory; nil if it is not

	compressed *variant    // nil if there is none (yet)
	beside     int         // of a page that a hit has compressed: what else it holds, the page as it was among it, in bytes
	making     atomic.Bool // somebody makes it, or has tried to
	controlled bool        // the handler said how long browsers may keep the answer
}

// clock holds the header values that change with time, as they stood at one second. It is one piece of memory, to which the
// header maps refer.
type clock struct {
	from, to time.Duration // what the page has left while they stand: at least from, and less than to
	source   *source
	told     [1]string // of Age
	status   [1]string // of Cache-Status; "" if it is off
	control  [1]string // of Cache-Control, if it changes with time
	written  [64]byte  // what told and status are written in, unless they are longer
}

// roomy is a page with the memory of what its answers share, so that it is one allocation.
type roomy struct {
	page

	room room
}

// newPage decodes the page that was stored as b under a key. It borrows from b, which must not change afterwards.
func newPage(b []byte, key string) (*page, error) {
	p := &roomy{}
	if err := p.decode(b, key, p.room.text[:0]); err != nil {
		return nil, err
	}
	p.prepare(&p.room)
	return &p.page, nil
}

// place is memory for one page after the other.
type place struct {
	page

	view []string // the text of the fields as it was decoded
}

// decode is that of the page, which the place then has until it is cleared. It is still to be shared.
func (p *place) decode(b []byte, key string) error {
	err := p.page.decode(b, key, p.view[:0])
	p.view = p.fields.text
	return err
}

// share prepares the page for an answer, whose headers refer to memory that is not the place's.
func (p *place) share() *page {
	r := &room{}
	p.fields.text = append(r.text[:0], p.view...)
	p.prepare(r)
	return &p.page
}

// mostKept is how many strings a place has memory for while nobody uses it.
const mostKept = 64

// clear empties the place.
func (p *place) clear() {
	if clear(p.view); cap(p.view) > mostKept {
		p.view = nil
	}
	p.page = page{}
}

// prepare makes of what was decoded what all answers share, in the room or in the memory of the text.
func (p *page) prepare(room *room) {
	p.fields.spell(room, p.made)
	p.whole.body = p.body
	if bodyAllowed(p.status) {
		room.length[0] = asString(strconv.AppendInt(room.digits[:0], int64(len(p.body)), 10))
		p.whole.length = room.length[:]
	}
	for f := range p.fields.all() {
		switch {
		case f.kind == opCapped:
			p.capped, p.controlled = f.values, true
		case f.word == wordOfControl, f.word == wordOfExpires:
			p.controlled = true
		case f.word == wordOfEtag && len(f.values) > 0:
			p.whole.etag = f.values
		}
	}
	if len(p.gzip) > 0 {
		p.compressed = gzipVariant(p.gzip, &p.whole)
	}
}

// packed returns the page with a compressed form, which has the fields of this one.
func (p *page) packed(gzip []byte) *page {
	q := &page{wire: p.wire, whole: p.whole, controlled: p.controlled, capped: p.capped, held: p.held}
	q.gzip = gzip
	q.compressed = gzipVariant(gzip, &p.whole)
	q.beside = int(unsafe.Sizeof(page{})+unsafe.Sizeof(clock{})) + len(gzip)
	return q
}

// size returns what the page occupies besides the entry it borrows from, in bytes.
func (p *page) size() int {
	const clocks = 192 // the structs with their strings
	size := int(unsafe.Sizeof(roomy{})) + p.fields.apart() + clocks + p.beside
	if p.compressed != nil {
		size += 192 + len(p.whole.tag()) // the struct with its strings
	}
	if p.capped != nil {
		size += 16 + len(p.capped[0])
	}
	return size
}

// at returns the clock strings for an entry that is fresh for left, from source. A negative left says for how long it has
// been stale. They are made once a second.
func (p *page) at(left time.Duration, s *source) *clock {
	if c := p.clock.Load(); c != nil && c.from <= left && left < c.to && c.source == s {
		return c
	}
	return p.strike(left, s)
}

// strike makes the clock strings, and leaves them for who comes within the same second.
func (p *page) strike(left time.Duration, s *source) *clock {
	ttl, age := left.Truncate(time.Second), max(0, p.ttl-left).Truncate(time.Second)
	if ttl > left { // rounded down there too: nothing seems fresher than it is, and what is stale is below 0
		ttl -= time.Second
	}
	c := &clock{from: max(ttl, p.ttl-age-time.Second+1), to: ttl + time.Second, source: s}
	if age > 0 {
		c.to = min(c.to, p.ttl-age+1)
	}
	digits := strconv.AppendInt(c.written[:0], int64(age/time.Second), 10)
	c.told[0], c.status[0] = asString(digits), asString(s.render(digits[len(digits):], int64(ttl/time.Second)))
	if p.capped != nil {
		// A cache downstream subtracts Age as well, which must be told (RFC 9111, section 5.1). So a copy there lives
		// shorter than the page, never longer.
		c.control[0] = response.Cap(p.capped[0], left)
	}
	p.clock.Store(c)
	return c
}

// lastModified returns the page's Last-Modified, or the zero time.
func (p *page) lastModified() time.Time {
	if p.modified == 0 {
		return time.Time{}
	}
	return time.Unix(p.modified, 0)
}
