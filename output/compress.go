package output

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Compress keeps each page compressed by gzip beside the page as it is, in one entry, and gives a client the one that its
// Accept-Encoding prefers (RFC 9110, section 12.5.3): the compressed one if both are equal to it, the page as it is
// without the field. It is for routes without a middleware that compresses, such as Echo's Gzip. Under one the page as it
// is goes out, for that to compress; one inside is not asked to, because the handler does not see Accept-Encoding.
//
// A page is compressed once: when it is made, if the request that makes it wants it so or if the backend is not this
// process's memory, else by the first hit that wants it, while others are given the page as it is. Not compressed are an
// answer that has a Content-Encoding, or Cache-Control: no-transform, or another status than 200; one that becomes no
// smaller; and one that would exceed MaxBytes, which bounds both forms together. Every answer with a page that may be
// compressed has Vary: Accept-Encoding. The compressed form has an entity tag of its own, "abc-gzip" where the page's is
// "abc", and no ranges: a request for a part is answered from the page as it is.
//
// An answer that is not stored goes out as the handler wrote it, uncompressed.
func (p Policy) Compress() Policy {
	p.compress = true
	return p
}

// minSaved is by how many bytes the compressed form must be smaller: about as many as its headers take.
const minSaved = 64

// variant is one form of a page: as it is, or compressed. It is immutable.
type variant struct {
	body   []byte
	etag   []string // of ETag; nil if there is none
	length []string // of Content-Length; nil if the status allows no body
}

// tag returns the entity tag, or "".
func (v *variant) tag() string {
	if len(v.etag) == 0 {
		return ""
	}
	return v.etag[0]
}

// encodingGzip is the Content-Encoding of all compressed forms. It has no spare room; see apply.
var encodingGzip = []string{"gzip"}

// gzipVariant returns the compressed form of a page.
func gzipVariant(body []byte, page *variant) *variant {
	v := &variant{body: body, length: []string{strconv.Itoa(len(body))}}
	if tag := gzipTag(page.tag()); tag != "" {
		v.etag = []string{tag}
	}
	return v
}

// gzipTag returns the entity tag of a page's compressed form. It is "" if etag is none: two forms must not share one.
func gzipTag(etag string) string {
	if stem, ok := strings.CutSuffix(etag, `"`); ok && strings.Contains(stem, `"`) {
		return stem + `-gzip"`
	}
	return ""
}

// apply turns the headers of the page as it is into those of its compressed form v.
func (v *variant) apply(h http.Header, unchanged bool) {
	if v.etag != nil {
		h["Etag"] = v.etag
	} else {
		delete(h, "Etag")
	}
	if !unchanged {
		h["Content-Encoding"] = encodingGzip
	}
}

// represent returns the form of a page that r is answered with, whether with parts of it, and whether something outside may
// encode what goes out. h are the headers that were there before.
func (m *Mount) represent(h http.Header, r *http.Request, t traits, p *page, s *source) (v *variant, parts, encoded bool) {
	switch {
	case len(h) > 0 && encodedOutside(h, r):
		return &p.whole, false, true
	case t.has(ranged) && p.status == http.StatusOK && rangeable(r.Header["Range"]):
		return &p.whole, true, false
	case m.compress && acceptsGzip(r.Header["Accept-Encoding"]):
		if v = m.compressed(p, s); v != nil {
			return v, false, false
		}
	}
	return &p.whole, false, false
}

// compressed returns the compressed form of a page, or nil. It makes it for a hit in memory, if that is the first to ask.
func (m *Mount) compressed(p *page, s *source) *variant {
	if p.compressed != nil || p.fixed || s != m.cache.sources.memory || p.making.Load() || !p.making.CompareAndSwap(false, true) {
		return p.compressed
	}
	return m.compressHeld(p)
}

// compressHeld makes the compressed form of a page in memory and leaves it there, in a page that takes its place.
func (m *Mount) compressHeld(p *page) *variant {
	if p.held == nil || p.held.View() != any(p) {
		return nil // it is not kept, or somebody else has made it
	}
	room := m.policy.maxBytes - int64(len(p.held.Record().Value))
	m.cache.at("compress")
	body := gzipped(p.body, room)
	if body == nil {
		return nil
	}
	q := p.packed(body)
	p.held.SetView(q, q.size())
	return q.compressed
}

// compressesNow reports whether the page that q makes is compressed at once: because its own answer is to be, or because the
// backend gives a hit no place where it could leave what it has made.
func (q *request) compressesNow() bool {
	return !q.cache.private || acceptsGzip(q.r.Header["Accept-Encoding"]) && !encodedOutside(q.w.Header(), q.r)
}

// compress prepares an admitted answer for a policy that compresses. It returns the compressed form if that is to be made
// now, and whether there will be none.
func (a *answer) compress(now bool, room int64) (body []byte, fixed bool) {
	vary := find(a.ops, "Vary")
	named := namesEncoding(vary)
	switch {
	case !a.compressible():
		fixed = true
	case now:
		body = gzipped(a.body, room)
		fixed = body == nil
	}
	if named {
		a.unname()
	}
	if named || !fixed {
		a.ops = append(a.ops, op{opOnce, "Vary", []string{"Accept-Encoding"}})
	}
	return body, fixed
}

// compressible reports whether the answer may have a compressed form.
func (a *answer) compressible() bool {
	if a.status != http.StatusOK || len(a.body) <= minSaved || len(a.header["Content-Encoding"]) > 0 {
		return false
	}
	for _, lines := range [][]string{a.header["Cache-Control"], a.said} {
		for item := range listItems(lines) {
			if strings.EqualFold(item, "no-transform") {
				return false
			}
		}
	}
	return true
}

// unname takes Accept-Encoding out of what the handler says in Vary, for opOnce to say it.
func (a *answer) unname() {
	a.ops = slices.Clone(a.ops)
	for i, o := range a.ops {
		if o.name != "Vary" || o.kind == opDelete {
			continue
		}
		var rest []string
		for item := range listItems(o.values) {
			if !strings.EqualFold(item, "Accept-Encoding") {
				rest = append(rest, item)
			}
		}
		switch {
		case len(rest) > 0:
			a.ops[i] = op{o.kind, "Vary", []string{strings.Join(rest, ", ")}}
		case o.kind == opSet:
			a.ops[i] = op{kind: opDelete, name: "Vary"}
		default:
			a.ops = slices.Delete(a.ops, i, i+1)
		}
		return
	}
}

// gzipped returns body compressed by gzip, or nil if that saves too little or takes more than room.
func gzipped(body []byte, room int64) []byte {
	z := gzips.Get().(*gzipper) //nolint:errcheck // the pool holds nothing else
	defer gzips.Put(z)
	z.out.Reset()
	z.left = int(min(int64(len(body)-minSaved), room))
	z.writer.Reset(z)
	if _, err := z.writer.Write(body); err != nil {
		return nil
	}
	if z.writer.Close() != nil {
		return nil
	}
	return bytes.Clone(z.out.Bytes())
}

// gzipper compresses into memory that is used again, and gives up when that takes more than it may.
type gzipper struct {
	writer *gzip.Writer
	out    bytes.Buffer
	left   int
}

// gzips holds them for the next: a compressor takes most of a megabyte.
var gzips = sync.Pool{New: func() any { return &gzipper{writer: gzip.NewWriter(io.Discard)} }}

func (z *gzipper) Write(b []byte) (int, error) {
	if z.left -= len(b); z.left < 0 {
		return 0, io.ErrShortWrite
	}
	return z.out.Write(b)
}
