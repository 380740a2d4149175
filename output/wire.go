package output

import (
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/echocache/echocache/internal/checksum"
	"github.com/echocache/echocache/internal/varint"
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
// odd, half of it is a word's place in the dictionary, or wordDate or wordTag. A name that the cache reads itself (see meant) is
// never spelt.
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
// afterwards. The text of the fields goes into list, or more if it takes more, and is still to be spelt.
func (p *wire) decode(b []byte, key string, list []string) error {
	if len(b) <= headOffset || b[0] != wireVersion {
		return errDamaged
	}
	status, at := varint.Read(b, headOffset)
	ttl, at := duration(b, at)
	tail, at := duration(b, at)
	made, at := varint.Read(b, at)
	modified, at := varint.Read(b, at)
	text, at := lines(b, at)
	p.fields.text = list
	at = p.fields.decode(b, at, text, made)
	size, at := varint.Read(b, at)
	packed, at := varint.Read(b, at)
	if at < 0 || status > 999-http.StatusOK || ttl <= 0 || made > math.MaxInt64 || modified > math.MaxInt64 {
		return errDamaged
	}
	p.status, p.ttl, p.tail, p.made, p.modified = http.StatusOK+int(status), ttl, tail, int64(made), int64(modified)
	p.fixed = packed == gzipNever
	if p.fixed {
		packed = 0
	}
	rest := b[at:]
	switch {
	case size > uint64(len(rest)),
		packed != uint64(len(rest))-size,
		packed > 0 && (packed >= size || p.status != http.StatusOK),
		checksum.Of(b[headOffset:at], key) != binary.LittleEndian.Uint32(b[1:]):
		return errDamaged
	}
	p.body = rest[:size:size]
	if packed > 0 {
		p.gzip = slices.Clip(rest[size:])
	}
	return nil
}

// duration reads a time of at most maxTTL.
func duration(b []byte, at int) (time.Duration, int) {
	n, at := varint.Read(b, at)
	switch {
	case n&1 != 0 && n>>1 <= uint64(maxTTL):
		return time.Duration(n >> 1), at
	case n&1 == 0 && n>>1 <= uint64(maxTTL/time.Millisecond):
		return time.Duration(n>>1) * time.Millisecond, at
	default:
		return 0, varint.Bad
	}
}

// lines reads a text, which must be one of lines of headers: what ends one is not kept. Written as it is, a value with such a
// byte in it would be several fields.
func lines(b []byte, at int) (string, int) {
	n, at := varint.Read(b, at)
	if at < 0 || n > uint64(len(b)-at) || !oneLine(b[at:][:n]) {
		return "", varint.Bad
	}
	return asString(b[at:][:n]), at + int(n)
}

// decode reads the fields, which must take all of the text.
func (f *fields) decode(b []byte, at int, text string, made uint64) int {
	n, at := varint.Read(b, at)
	if at < 0 || n > maxFields || n > uint64(len(b)-at) { // every field takes more than a byte
		return varint.Bad
	}
	steps := f.sized(int(n))
	for i := range steps {
		if uint(at) >= uint(len(b)) {
			return varint.Bad
		}
		s, values := &steps[i], uint64(1)
		if first := b[at]; first < fieldOfOne {
			values, text, at = f.spelt(s, b, at, text)
		} else if s.word, at = first&^fieldOfOne, at+1; s.word < firstWord || int(s.word) >= len(words) {
			return varint.Bad
		}
		for range values {
			var value string
			if n, at = varint.Read(b, at); n&1 == 0 || n > wordTag<<1|1 {
				value, text, at = word(n, text, at)
			} else {
				value, at = f.unspelt(n, b, at, s.word, made)
			}
			f.text = append(f.text, value)
		}
		s.end = uint32(len(f.text))
		if s.kind == opOnce && (at < 0 || f.text[s.end-1] != "Accept-Encoding") {
			return varint.Bad
		}
	}
	if text != "" {
		return varint.Bad
	}
	return at
}

// spelt reads a field that is not fieldOfOne up to its values, and returns how many there are and what it leaves of the text.
func (f *fields) spelt(s *step, b []byte, at int, text string) (uint64, string, int) {
	s.kind = opKind(b[at])
	place, at := varint.Read(b, at+1)
	name, text, at := word(place, text, at)
	if place&1 != 0 {
		s.word = uint8(place >> 1)
	} else {
		f.text = append(f.text, name)
	}
	values, at := varint.Read(b, at)
	if at < 0 || values > maxFields || values > uint64(len(b)-at) || // every value takes a byte
		!s.fits(values) || s.word == 0 && meant(name) {
		return 0, "", varint.Bad
	}
	return values, text, at
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

// unspelt reads what a value of the field with this name is to be spelt of: of wordDate and wordTag there is one each at most.
func (f *fields) unspelt(n uint64, b []byte, at int, name uint8, made uint64) (string, int) {
	switch {
	case n == wordDate<<1|1 && name == wordOfDate && f.date == 0 && made <= lastDate:
		f.date = uint32(len(f.text)) + 1
		return "", at
	case n == wordTag<<1|1 && name == wordOfEtag && f.tag == 0 && at >= 0 && len(b)-at >= tagSum:
		f.tag = uint32(len(f.text)) + 1
		return asString(b[at:][:tagSum]), at + tagSum
	default:
		return "", varint.Bad
	}
}

// word returns the string that a number stands for, which shares its bytes with the entry or the dictionary, and what it leaves
// of the text.
func word(n uint64, text string, at int) (string, string, int) {
	switch {
	case n&1 == 0 && n>>1 <= uint64(len(text)):
		return text[:n>>1], text[n>>1:], at
	case n&1 != 0 && n>>1 >= firstWord && n>>1 < uint64(len(words)):
		return words[n>>1], text, at
	default:
		return "", "", varint.Bad
	}
}
