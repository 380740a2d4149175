package output

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"time"
)

// SetYield has f called at the points where a test wants to let others run: "look-up", "fill", "seal", "store", with
// Compress "compress" before a hit makes the compressed form, and with CollapseFleet "fleet" after the wait and "fleet found" before what was found is handed out.
func (c *Cache) SetYield(f func(point string)) { c.yield = f }

// KeyAndView returns the canonical key of a request, and the request as a handler would see it during a fill.
func (c *Cache) KeyAndView(p Policy, d Door, r *http.Request, x Exchange, user string) (string, *http.Request, error) {
	m, err := c.Mount(p, d)
	if err != nil {
		return "", nil, err
	}
	s := &Scratch{}
	t, reason := look(r, true)
	if reason == "" {
		reason = m.appendKey(s, r, x, x.Route(), x.Scheme(t.has(forwarded)), user)
	}
	if reason != "" {
		return "", nil, errors.New(reason)
	}
	return string(s.key), m.restrict(r.Context(), r, m.policy.canonicalQuery(r.URL.RawQuery, &s.segments), x.Scheme(t.has(forwarded))), nil
}

// Wire is a page as it is stored, and under which key.
type Wire struct {
	wire

	key  string
	room room
}

// Encode returns the wire form of a page.
func (p *Wire) Encode() []byte { return p.encode(p.key) }

// NewWire makes a page.
func NewWire(key string, status int, ttl time.Duration, header http.Header, body []byte) *Wire {
	return &Wire{key: key, wire: wire{status: status, ttl: ttl, made: 1, modified: 2, fields: *pack(difference(http.Header{}, header)), body: body}}
}

// NewPackedWire makes a page of status 200 with a compressed form, which is taken as it is.
func NewPackedWire(key string, header http.Header, body, packed []byte) *Wire {
	p := NewWire(key, http.StatusOK, time.Second, header, body)
	p.gzip = packed
	return p
}

// Gzip returns a page's compressed form.
func (p *wire) Gzip() []byte { return p.gzip }

// GzipTag returns the entity tag of the compressed form.
func GzipTag(etag string) string { return gzipTag(etag) }

// AcceptsGzip reports whether the lines of an Accept-Encoding field choose gzip.
func AcceptsGzip(lines ...string) bool { return acceptsGzip(lines) }

// Rangeable reports whether a Range field is answered with parts.
func Rangeable(line string) bool { return rangeable([]string{line}) }

// Decode reads a page.
func Decode(b []byte, key string) (*Wire, error) {
	p := &Wire{key: key}
	if err := p.decode(b, key, p.room.text[:0]); err != nil {
		return nil, err
	}
	p.fields.spell(&p.room, p.made)
	return p, nil
}

// Place is memory for one page after the other.
type Place struct{ place }

// Decode is what a request does that has found an entry, up to what its answer shares.
func (p *Place) Decode(b []byte, key string) error {
	p.clear()
	return p.decode(b, key)
}

// Share is the rest.
func (p *Place) Share() { p.share() }

// Wire returns what was decoded.
func (p *Place) Wire() *Wire { return &Wire{wire: p.wire} }

// Same reports whether two pages are the same.
func (p *Wire) Same(q *Wire) bool {
	return p.status == q.status && p.ttl == q.ttl && p.tail == q.tail && p.made == q.made && p.modified == q.modified &&
		p.fixed == q.fixed && bytes.Equal(p.body, q.body) && bytes.Equal(p.gzip, q.gzip) &&
		slices.EqualFunc(slices.Collect(p.fields.all()), slices.Collect(q.fields.all()), func(a, b field) bool {
			return a.kind == b.kind && a.name == b.name && slices.Equal(a.values, b.values)
		})
}

// Words is how many places the dictionary has, WordDate and WordTag which of them are no words.
const (
	Words    = len(words)
	WordDate = wordDate
	WordTag  = wordTag
)

// Word returns a word's place in the dictionary, and WordAt the word of a place.
func Word(word string) int { return dictionary[word] }

// WordAt returns the word of a place.
func WordAt(place int) string { return words[place] }

// Date returns a time as a Date field has it, or "".
func Date(at int64) string { return string(appendDate(nil, at)) }

// ClockPage is a page whose answers change with time.
type ClockPage struct{ page }

// NewClockPage makes one that is fresh for ttl, and whose Cache-Control promises no more than it has left.
func NewClockPage(ttl time.Duration) *ClockPage {
	return &ClockPage{page{wire: wire{ttl: ttl}, capped: []string{"max-age=1000000"}}}
}

// At returns Age, Cache-Status and Cache-Control as they are when the page is fresh for left.
func (p *ClockPage) At(left time.Duration, c *Cache) [3]string {
	at := p.at(left, c.sources.memory)
	return [3]string{at.told[0], at.status[0], at.control[0]}
}

// WireHead is where the checksummed part of a page begins.
const WireHead = headOffset

// Header returns the headers that a page puts into an empty map.
func (p *wire) Header() http.Header {
	h := http.Header{}
	p.fields.apply(h, false)
	return h
}

// Body returns a page's body.
func (p *wire) Body() []byte { return p.body }

// Replayed returns before with what makes after of it, by difference and apply.
func Replayed(before, after http.Header) http.Header {
	h := before.Clone()
	repeat(h, before, after)
	return h
}

// Reasons is the list of all reason words.
var Reasons = reasons

// Canonical returns the canonical form of a raw query under a policy as it is mounted.
func (p Policy) Canonical(raw string) string {
	p = p.withDefaults()
	var segments []segment
	return p.canonicalQuery(raw, &segments)
}

// WireOf makes a page of what makes after of before.
func WireOf(before, after http.Header) *Wire {
	return &Wire{key: "key", wire: wire{status: http.StatusOK, ttl: time.Second, fields: *pack(difference(before, after))}}
}

// Replay replays a page's headers on those of an answer.
func (p *wire) Replay(h http.Header) { p.fields.apply(h, false) }

// AdmitControl returns why the lines of a Cache-Control field keep an answer from being stored, or "".
func AdmitControl(lines []string) string { return admitControl(lines) }

// AdmitVary reports whether everything that the lines of a Vary field name is in the key of a policy.
func (p Policy) AdmitVary(lines []string) bool { return admitVary(lines, &p) }

// Judged reports whether a header may be passed over unread, and what it says when it is read.
func Judged(name string, lines ...string) (passed, says bool) {
	t, reason := judge(name, lines, true)
	return !telling.may(name), t != 0 || reason != ""
}
