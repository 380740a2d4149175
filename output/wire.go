package output

import (
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"
	"unsafe"

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
	ops      []op
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
	b = appendLen(b, len(p.ops))
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
	for i := range p.ops {
		o := &p.ops[i]
		values := o.values()
		place, known := dictionary[o.name]
		if known && o.kind == opSet && len(values) == 1 {
			fields = append(fields, fieldOfOne|byte(place))
		} else {
			fields = append(fields, byte(o.kind))
			word(o.name)
			fields = appendLen(fields, len(values))
		}
		for _, v := range values {
			switch {
			case o.name == "Date" && !dated && len(v) == dateLen && v == string(appendDate(nil, p.made)):
				dated = true
				fields = append(fields, wordDate<<1|1)
			case o.name == "Etag" && !tagged && isPlainTag(v):
				tagged = true
				fields = appendTagBytes(append(fields, wordTag<<1|1), v)
			default:
				word(v)
			}
		}
	}
	return text, fields
}

// room is where the fields of a page are put, if it has no more, so that they are not memory of their own.
type room struct {
	ops    [8]op
	date   [dateLen]byte
	tag    [tagLen]byte
	dated  bool // date is in use
	tagged bool // and so is tag
}

// size returns what fields that were decoded into the room occupy, in bytes.
func (r *room) size(ops []op) int {
	size := int(unsafe.Sizeof(*r))
	if len(ops) > len(r.ops) {
		size += len(ops) * int(unsafe.Sizeof(op{}))
	}
	for i := range ops {
		if more := ops[i].more; more != nil {
			size += int(unsafe.Sizeof(*more)) + len(*more)*int(unsafe.Sizeof(""))
		}
	}
	return size
}

// decode reads a page back that was stored under key. It borrows from b, which must not change afterwards, and from room.
func (p *wire) decode(b []byte, key string, room *room) error {
	if len(b) <= headOffset || b[0] != wireVersion {
		return errDamaged
	}
	r := reader{rest: b[headOffset:]}
	p.status = http.StatusOK + int(r.number(999-http.StatusOK))
	p.ttl = r.duration()
	p.tail = r.duration()
	p.made = int64(r.number(math.MaxInt64))
	p.modified = int64(r.number(math.MaxInt64))
	r.takeText()
	p.ops = r.ops(room, p.made)
	size := r.number(math.MaxInt64)
	packed := r.number(math.MaxInt64)
	p.fixed = packed == gzipNever
	if p.fixed {
		packed = 0
	}
	head := b[headOffset : len(b)-len(r.rest)]
	switch {
	case r.failed, len(r.text) > 0,
		size > uint64(len(r.rest)),
		packed != uint64(len(r.rest))-size,
		packed > 0 && (packed >= size || p.status != http.StatusOK),
		checksum.Of(head, key) != binary.LittleEndian.Uint32(b[1:]),
		p.ttl <= 0:
		return errDamaged
	}
	p.body = r.rest[:size:size]
	if packed > 0 {
		p.gzip = slices.Clip(r.rest[size:])
	}
	return nil
}

// reader takes bytes off the front. After the first failure everything it returns is zero.
type reader struct {
	rest   []byte
	text   []byte
	failed bool
}

func (r *reader) fail() { r.failed, r.rest, r.text = true, nil, nil }

// number returns a varint, in its shortest form and at most limit.
func (r *reader) number(limit uint64) uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 && uint64(r.rest[0]) <= limit { // most are of one byte
		v := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(v)
	}
	return r.longNumber(limit)
}

func (r *reader) longNumber(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > limit || n > 1 && r.rest[n-1] == 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
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
	if n > uint64(len(r.rest)) || !oneLine(r.rest[:n]) {
		r.fail()
		return
	}
	r.text, r.rest = r.rest[:n], r.rest[n:]
}

// word returns a string that shares its bytes with the entry or the dictionary.
func (r *reader) word() string {
	n := r.number(math.MaxInt64)
	switch {
	case n&1 == 0 && n>>1 <= uint64(len(r.text)):
		s := unsafe.String(unsafe.SliceData(r.text), int(n>>1))
		r.text = r.text[n>>1:]
		return s
	case n&1 != 0 && n>>1 >= firstWord && n>>1 < uint64(len(words)):
		return words[n>>1]
	}
	r.fail()
	return ""
}

// fits reports whether an op of this kind may be for a field, and have so many values.
func (k opKind) fits(name string, count uint64) bool {
	switch k {
	case opCapped:
		return name == "Cache-Control" && count == 1
	case opOnce:
		return name == "Vary" && count == 1
	case opDelete:
		return count == 0
	default:
		return k < opCapped
	}
}

// ops returns the header differences.
func (r *reader) ops(room *room, made int64) []op {
	n := r.number(maxFields)
	if n > uint64(len(r.rest)) { // every field takes more than a byte
		r.fail()
	}
	if r.failed || n == 0 {
		return nil
	}
	ops := room.ops[:]
	if n > uint64(len(room.ops)) {
		ops = make([]op, n)
	}
	ops = ops[:n:n]
	for i := range ops {
		o := &ops[i]
		count := r.field(o)
		if r.failed || count > uint64(len(r.rest)) {
			r.fail()
			return nil
		}
		switch {
		case o.kind == opDelete:
		case count == 1:
			o.one = r.value(room, o.name, made)
		default:
			all := make([]string, count)
			for i := range all {
				all[i] = r.value(room, o.name, made)
			}
			o.more = &all
		}
		if o.kind == opOnce && o.one != "Accept-Encoding" {
			r.fail()
			return nil
		}
	}
	return ops
}

// field reads a field's kind and name, and returns how many values it has.
func (r *reader) field(o *op) (values uint64) {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	first := r.rest[0]
	r.rest = r.rest[1:]
	if first >= fieldOfOne {
		if place := int(first &^ fieldOfOne); place >= firstWord && place < len(words) {
			o.name = words[place]
			return 1
		}
		r.fail()
		return 0
	}
	o.kind, o.name = opKind(first), r.word()
	values = r.number(maxFields)
	if !o.kind.fits(o.name, values) {
		r.fail()
		return 0
	}
	return values
}

// value returns a value of the named field.
func (r *reader) value(room *room, name string, made int64) string {
	if len(r.rest) > 0 {
		switch r.rest[0] {
		case wordDate<<1 | 1:
			return r.date(room, name, made)
		case wordTag<<1 | 1:
			return r.tag(room, name)
		}
	}
	return r.word()
}

// date returns a time in the words of a Date field. There is room for one.
func (r *reader) date(room *room, name string, at int64) string {
	if name != "Date" || room.dated || appendDate(room.date[:0], at) == nil {
		r.fail()
		return ""
	}
	room.dated = true
	r.rest = r.rest[1:]
	return unsafe.String(&room.date[0], dateLen)
}

// tag returns an entity tag such as the cache makes. There is room for one.
func (r *reader) tag(room *room, name string) string {
	if name != "Etag" || room.tagged || len(r.rest) <= tagSum {
		r.fail()
		return ""
	}
	room.tagged = true
	appendTag(room.tag[:0], r.rest[1:1+tagSum])
	r.rest = r.rest[1+tagSum:]
	return unsafe.String(&room.tag[0], tagLen)
}
