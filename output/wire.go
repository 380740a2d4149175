package output

import (
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/echocache/echocache/internal/checksum"
)

// A page on the wire, version 3. Numbers are unsigned varints unless said otherwise.
//
//	version      1 byte
//	checksum     4 bytes, little endian: CRC-32C of everything from the next field to the body's first byte, and of the key
//	status       less 200
//	ttl          a time from the moment of the store, for which the page is fresh
//	tail         a time after that, for which it is kept as stale
//	made         seconds since 1970, when the fill ended
//	modified     seconds since 1970 of Last-Modified, 0 = none
//	text length
//	text         of the fields' names and values, one after the other
//	fields       count, then for each: kind (1 byte), name (word), values (count, then words); see also fieldOfOne;
//	             one of kind opCapped is Cache-Control and has one value,
//	             one of kind opOnce is Vary and has the one value Accept-Encoding
//	body length
//	gzip length  of the compressed form, less than the body's; 0 = none yet, 1 = there will be none
//	body
//	gzip         the rest, exactly; of a status of 200 only
//
// A time is twice as many milliseconds or, if they are not whole, one more than twice as many nanoseconds.
//
// A word is a number. If it is even, half of it is how many bytes of the text it takes, which are the next ones. If it is
// odd, half of it is a word's place in the dictionary, or wordDate or wordTag.
//
// The checksum does not cover the bodies, so that a look-up costs the same for every size; their lengths are covered. The
// key is covered and not there: under another one the page is damaged. Whoever must not trust the storage seals entries.
type wire struct {
	status   int
	ttl      time.Duration
	tail     time.Duration
	made     int64
	modified int64
	fields   fields
	body     []byte
	gzip     []byte // body, compressed; nil if that was not done
	fixed    bool   // and it never will be
}

// gzipNever stands for the length of a compressed form that there will not be. No real one is so short.
const gzipNever = 1

// fieldOfOne is the bit of a kind that says: one value, of a field that is set. The rest is its name's place in the
// dictionary, and the value follows.
const fieldOfOne = 0x80

// What nearly every page has besides is not written as a text either: the Date of the fill, as the value of Date, and a tag
// such as the cache makes, as that of Etag, whose 16 bytes follow in place of their hexadecimal form.
const (
	wordDate = iota
	wordTag
)

// headOffset is where the checksummed part begins.
const headOffset = 5

// Limits beyond which a decoder believes nothing.
const (
	maxFields = 1024
	maxTTL    = 100 * 365 * 24 * time.Hour
)

// errDamaged is all that is said of an entry that cannot be read: it is a miss, whatever the reason (I-9).
var errDamaged = errors.New("output: damaged entry")

// encode returns the page's wire form under a key. The bodies are copied.
func (p *wire) encode(key string) []byte {
	text, fields := p.words()
	b := make([]byte, headOffset, headOffset+len(text)+len(fields)+len(p.body)+len(p.gzip)+64)
	b[0] = wireVersion
	b = binary.AppendUvarint(b, uint64(p.status-http.StatusOK))
	b = appendDuration(b, p.ttl)
	b = appendDuration(b, p.tail)
	b = binary.AppendUvarint(b, uint64(p.made))
	b = binary.AppendUvarint(b, uint64(p.modified))
	b = appendLen(b, len(text))
	b = append(b, text...)
	b = appendLen(b, p.fields.n)
	b = append(b, fields...)
	b = appendLen(b, len(p.body))
	packed := len(p.gzip)
	if p.fixed {
		packed = gzipNever
	}
	b = appendLen(b, packed)
	binary.LittleEndian.PutUint32(b[1:], checksum.Of(b[headOffset:], key))
	return append(append(b, p.body...), p.gzip...)
}

func appendDuration(b []byte, d time.Duration) []byte {
	if d%time.Millisecond == 0 {
		return binary.AppendUvarint(b, uint64(d/time.Millisecond)<<1)
	}
	return binary.AppendUvarint(b, uint64(d)<<1|1)
}

// words returns the fields as they stand on the wire, and the text that they take.
func (p *wire) words() (text, fields []byte) {
	word := func(s string) {
		if place, known := dictionary[s]; known {
			fields = appendLen(fields, place<<1|1)
			return
		}
		fields, text = appendLen(fields, len(s)<<1), append(text, s...)
	}
	var dated, tagged bool // a decoder has room for one of each
	for f := range p.fields.all() {
		if f.word != 0 && f.kind == opSet && len(f.values) == 1 {
			fields = append(fields, fieldOfOne|f.word)
		} else {
			fields = append(fields, byte(f.kind))
			word(f.name)
			fields = appendLen(fields, len(f.values))
		}
		for _, v := range f.values {
			switch {
			case f.word == wordOfDate && !dated && len(v) == dateLen && v == string(appendDate(nil, p.made)):
				dated = true
				fields = append(fields, wordDate<<1|1)
			case f.word == wordOfEtag && !tagged && isPlainTag(v):
				tagged = true
				fields = appendTagBytes(append(fields, wordTag<<1|1), v)
			default:
				word(v)
			}
		}
	}
	return text, fields
}

// decode reads a page back that was stored under key, into one that is empty. It borrows from b, which must not change
// afterwards. The text of the fields goes into text, or more if it takes more, and is still to be spelt.
func (p *wire) decode(b []byte, key string, text []string) error {
	if len(b) <= headOffset || b[0] != wireVersion {
		return errDamaged
	}
	r := reader{b: b, at: headOffset}
	p.status = http.StatusOK + int(r.number(999-http.StatusOK))
	p.ttl = r.duration()
	p.tail = r.duration()
	p.made = int64(r.number(math.MaxInt64))
	p.modified = int64(r.number(math.MaxInt64))
	r.takeText()
	p.fields.text = text
	r.fields(&p.fields, p.made)
	size := r.number(math.MaxInt64)
	packed := r.number(math.MaxInt64)
	p.fixed = packed == gzipNever
	if p.fixed {
		packed = 0
	}
	rest := b[r.at:]
	switch {
	case r.failed, r.text != "",
		size > uint64(len(rest)),
		packed != uint64(len(rest))-size,
		packed > 0 && (packed >= size || p.status != http.StatusOK),
		checksum.Of(b[headOffset:r.at], key) != binary.LittleEndian.Uint32(b[1:]),
		p.ttl <= 0:
		return errDamaged
	}
	p.body = rest[:size:size]
	if packed > 0 {
		p.gzip = slices.Clip(rest[size:])
	}
	return nil
}

// reader takes bytes off the front. After the first failure everything it returns is zero.
type reader struct {
	b      []byte
	at     int    // where the next one is
	text   string // of the fields, what nobody has taken yet
	failed bool
}

func (r *reader) fail() { r.failed, r.at, r.text = true, len(r.b), "" }

// left is how many bytes there still are.
func (r *reader) left() int { return len(r.b) - r.at }

// number returns a varint, in its shortest form and at most limit, which is no less than what one byte can say.
func (r *reader) number(limit uint64) uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 { // most are of one byte
		r.at++
		return uint64(r.b[r.at-1])
	}
	return r.longNumber(limit)
}

func (r *reader) longNumber(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || v > limit || n > 1 && r.b[r.at+n-1] == 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

// duration returns a time of at most maxTTL.
func (r *reader) duration() time.Duration {
	n := r.number(2*uint64(maxTTL) + 1)
	if n&1 != 0 {
		return time.Duration(n >> 1)
	}
	if n>>1 > uint64(maxTTL/time.Millisecond) {
		r.fail()
		return 0
	}
	return time.Duration(n>>1) * time.Millisecond
}

// takeText takes the text off, which must be one of lines of headers: what ends one is not kept. Written as it is, a value
// with such a byte in it would be several fields.
func (r *reader) takeText() {
	n := r.number(math.MaxInt64)
	if n > uint64(r.left()) || !oneLine(r.b[r.at:][:n]) {
		r.fail()
		return
	}
	r.text = asString(r.b[r.at:][:n])
	r.at += int(n)
}

// fields reads the fields.
func (r *reader) fields(f *fields, made int64) {
	n := r.number(maxFields)
	if n > uint64(r.left()) { // every field takes more than a byte
		r.fail()
	}
	if r.failed {
		return
	}
	steps := f.sized(int(n))
	for i := range steps {
		if r.left() == 0 {
			r.fail()
			return
		}
		s := &steps[i]
		if first := r.b[r.at]; first >= fieldOfOne {
			r.at++
			if s.word = first &^ fieldOfOne; s.word < firstWord || int(s.word) >= len(words) {
				r.fail()
				return
			}
			f.text = append(f.text, r.value(s.word, f, made))
		} else {
			r.fieldOfMany(s, f, made)
		}
		s.end = uint32(len(f.text))
		if r.failed {
			return
		}
	}
}

// fieldOfMany reads a field that is spelt out.
func (r *reader) fieldOfMany(s *step, f *fields, made int64) {
	s.kind = opKind(r.b[r.at])
	r.at++
	place := r.number(math.MaxInt64)
	if place&1 != 0 && place>>1 < uint64(len(words)) {
		s.word = uint8(place >> 1)
	}
	name := r.word(place)
	if s.word == 0 {
		f.text = append(f.text, name)
	}
	values := r.number(maxFields)
	if !s.fits(values) || s.word == 0 && meant(name) || values > uint64(r.left()) { // every value takes a byte
		r.fail()
		return
	}
	for range values {
		f.text = append(f.text, r.value(s.word, f, made))
	}
	if s.kind == opOnce && f.text[len(f.text)-1] != "Accept-Encoding" {
		r.fail()
	}
}

// fits reports whether a field of this kind may have this name, and so many values.
func (s *step) fits(values uint64) bool {
	switch s.kind {
	case opCapped:
		return s.word == wordOfControl && values == 1
	case opOnce:
		return s.word == wordOfVary && values == 1
	case opDelete:
		return values == 0
	default:
		return s.kind < opCapped
	}
}

// value returns a value of the field with this name.
func (r *reader) value(name uint8, f *fields, made int64) string {
	switch n := r.number(math.MaxInt64); n {
	case wordDate<<1 | 1:
		return r.date(name, f, made)
	case wordTag<<1 | 1:
		return r.tag(name, f)
	default:
		return r.word(n)
	}
}

// word returns the string that a number stands for. It shares its bytes with the entry or the dictionary.
func (r *reader) word(n uint64) string {
	switch {
	case n&1 == 0 && n>>1 <= uint64(len(r.text)):
		s := r.text[:n>>1]
		r.text = r.text[n>>1:]
		return s
	case n&1 != 0 && n>>1 >= firstWord && n>>1 < uint64(len(words)):
		return words[n>>1]
	}
	r.fail()
	return ""
}

// date returns what stands for the words of a Date field until they are spelt. There is one at most.
func (r *reader) date(name uint8, f *fields, made int64) string {
	if name != wordOfDate || f.date > 0 || made > lastDate {
		r.fail()
	}
	f.date = uint32(len(f.text)) + 1
	return ""
}

// tag returns what an entity tag such as the cache makes is spelt of. There is one at most.
func (r *reader) tag(name uint8, f *fields) string {
	if name != wordOfEtag || f.tag > 0 || r.left() < tagSum {
		r.fail()
		return ""
	}
	f.tag = uint32(len(f.text)) + 1
	sum := r.b[r.at:][:tagSum]
	r.at += tagSum
	return asString(sum)
}
