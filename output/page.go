package output

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// page is an entry ready to be replayed: everything that all its answers share is made once. It is immutable but for
// the last clock strings, and used by many answers at once.
type page struct {
	wire
	etag   string
	length []string // of Content-Length; nil if the status allows no body
	// controlled: the handler said how long browsers may keep the answer.
	controlled bool
	clock      atomic.Pointer[clock]
}

// clock holds the header values that change with time, as they stood at one second.
type clock struct {
	age, ttl int64 // seconds
	source   *source
	ageValue []string
	status   []string // of Cache-Status; nil if it is off
}

func newPage(w *wire) *page {
	p := &page{wire: *w}
	if etag := find(w.ops, "Etag"); len(etag) > 0 {
		p.etag = etag[0]
	}
	if bodyAllowed(w.status) {
		p.length = []string{strconv.Itoa(len(w.body))}
	}
	p.controlled = touched(w.ops, "Cache-Control") || touched(w.ops, "Expires")
	return p
}

// size returns what the page occupies besides the entry it borrows from, in bytes.
func (p *page) size() int {
	const fixed, clocks = 256, 160 // the structs with their strings
	size := fixed + clocks
	for i := range p.ops {
		size += 48 + 16*len(p.ops[i].values)
	}
	return size
}

// at returns the clock strings for an entry that has left to live, from source. They are made once a second.
func (p *page) at(left time.Duration, s *source) *clock {
	ttl := int64(left / time.Second)
	age := max(0, int64((p.ttl-left)/time.Second))
	c := p.clock.Load()
	if c != nil && c.age == age && c.ttl == ttl && c.source == s {
		return c
	}
	c = &clock{age: age, ttl: ttl, source: s}
	c.ageValue = []string{strconv.FormatInt(age, 10)}
	if status := s.render(ttl); status != "" {
		c.status = []string{status}
	}
	p.clock.Store(c)
	return c
}

// modifiedSince reports whether the page is newer than an If-Modified-Since field says (RFC 9110, section 13.1.3).
func (p *page) modifiedSince(field string) bool {
	if p.modified == 0 {
		return true
	}
	since, err := http.ParseTime(field)
	return err != nil || p.modified > since.Unix()
}
