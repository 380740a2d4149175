package output

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"net/http"
	"slices"
	"time"
	"unsafe"
)

// A page on the wire, version 2. Numbers are unsigned varints unless said otherwise; a text is its length and bytes.
//
//	version      1 byte
//	checksum     4 bytes, little endian: CRC-32C of everything from the next field to the body's first byte
//	key          text; must be the one that was asked for
//	status
//	ttl          nanoseconds from the moment of the store, for which the page is fresh
//	tail         nanoseconds after that, for which it is kept as stale
//	made         seconds since 1970, when the fill ended
//	modified     seconds since 1970 of Last-Modified, 0 = none
//	fields       count, then for each: kind (1 byte), name (text), values (count, then texts);
//	             one of kind opCapped is Cache-Control and has one value,
//	             one of kind opOnce is Vary and has the one value Accept-Encoding
//	body length
//	gzip length  of the compressed form, less than the body's; 0 = none yet, 1 = there will be none
//	body
//	gzip         the rest, exactly; of a status of 200 only
//
// The checksum does not cover the bodies, so that a look-up costs the same for every size; their lengths are covered.
// Whoever must not trust the storage seals entries.
type wire struct {
	key      string
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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// headOffset is where the checksummed part begins.
const headOffset = 5

// Limits beyond which a decoder believes nothing.
const (
	maxFields = 1024
	maxTTL    = 100 * 365 * 24 * time.Hour
)

// errDamaged is all that is said of an entry that cannot be read: it is a miss, whatever the reason (I-9).
var errDamaged = errors.New("output: damaged entry")

// encode returns the page's wire form. The bodies are copied.
func (p *wire) encode() []byte {
	size := headOffset + len(p.key) + len(p.body) + len(p.gzip) + 64
	for i := range p.ops {
		size += len(p.ops[i].name) + 8
		for _, v := range p.ops[i].values {
			size += len(v) + 4
		}
	}
	b := make([]byte, headOffset, size)
	b[0] = wireVersion
	b = appendField(b, p.key)
	b = binary.AppendUvarint(b, uint64(p.status))
	b = binary.AppendUvarint(b, uint64(p.ttl))
	b = binary.AppendUvarint(b, uint64(p.tail))
	b = binary.AppendUvarint(b, uint64(p.made))
	b = binary.AppendUvarint(b, uint64(p.modified))
	b = binary.AppendUvarint(b, uint64(len(p.ops)))
	for i := range p.ops {
		o := &p.ops[i]
		b = append(b, byte(o.kind))
		b = appendField(b, o.name)
		b = binary.AppendUvarint(b, uint64(len(o.values)))
		for _, v := range o.values {
			b = appendField(b, v)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(p.body)))
	packed := len(p.gzip)
	if p.fixed {
		packed = gzipNever
	}
	b = binary.AppendUvarint(b, uint64(packed))
	binary.LittleEndian.PutUint32(b[1:], crc32.Checksum(b[headOffset:], castagnoli))
	return append(append(b, p.body...), p.gzip...)
}

// decode reads a page back. The result borrows from b, which must not change afterwards.
func decode(b []byte, key []byte) (*wire, error) {
	if len(b) <= headOffset || b[0] != wireVersion {
		return nil, errDamaged
	}
	r := reader{rest: b[headOffset:]}
	p := &wire{}
	p.key = r.text()
	p.status = int(r.number(999))
	p.ttl = time.Duration(r.number(uint64(maxTTL)))
	p.tail = time.Duration(r.number(uint64(maxTTL)))
	p.made = int64(r.number(math.MaxInt64))
	p.modified = int64(r.number(math.MaxInt64))
	p.ops = r.ops()
	size := r.number(math.MaxInt64)
	packed := r.number(math.MaxInt64)
	p.fixed = packed == gzipNever
	if p.fixed {
		packed = 0
	}
	head := b[headOffset : len(b)-len(r.rest)]
	switch {
	case r.failed,
		size > uint64(len(r.rest)),
		packed != uint64(len(r.rest))-size,
		packed > 0 && (packed >= size || p.status != http.StatusOK),
		crc32.Checksum(head, castagnoli) != binary.LittleEndian.Uint32(b[1:]),
		p.key != string(key),
		p.status < 200 || p.ttl <= 0:
		return nil, errDamaged
	}
	p.body = r.rest[:size:size]
	if packed > 0 {
		p.gzip = slices.Clip(r.rest[size:])
	}
	return p, nil
}

// reader takes bytes off the front. After the first failure everything it returns is zero.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) fail() { r.failed, r.rest = true, nil }

// number returns a varint, in its shortest form and at most limit.
func (r *reader) number(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > limit || n > 1 && r.rest[n-1] == 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// text returns a string that shares its bytes with the entry.
func (r *reader) text() string {
	n := r.number(uint64(len(r.rest)))
	if n == 0 || n > uint64(len(r.rest)) {
		if n > 0 {
			r.fail()
		}
		return ""
	}
	s := unsafe.String(&r.rest[0], int(n))
	r.rest = r.rest[n:]
	return s
}

// line returns a text that stands on one line of a header. No other is kept: written as it is it would be several fields.
func (r *reader) line() string {
	s := r.text()
	for i := range len(s) { // strings.ContainsAny makes a table each time
		if c := s[i]; c <= '\r' && (c == '\r' || c == '\n' || c == 0) {
			r.fail()
		}
	}
	return s
}

func (r *reader) kind() opKind {
	if len(r.rest) == 0 || r.rest[0] > byte(opOnce) {
		r.fail()
		return 0
	}
	k := opKind(r.rest[0])
	r.rest = r.rest[1:]
	return k
}

// fits reports whether an op of this kind may be for a field, and have so many values.
func (k opKind) fits(name string, count uint64) bool {
	switch k {
	case opCapped:
		return name == "Cache-Control" && count == 1
	case opOnce:
		return name == "Vary" && count == 1
	default:
		return true
	}
}

// ops returns the header differences. All values stand in one array, each field's part without spare room.
func (r *reader) ops() []op {
	n := r.number(maxFields)
	if n > uint64(len(r.rest)) { // every field takes more than a byte
		r.fail()
	}
	if r.failed || n == 0 {
		return nil
	}
	ops := make([]op, 0, n)
	all := make([]string, 0, n+4)
	for range n {
		o := op{kind: r.kind(), name: r.line()}
		count := r.number(maxFields)
		if r.failed || count > uint64(len(r.rest)) || !o.kind.fits(o.name, count) {
			r.fail()
			return nil
		}
		from := len(all)
		for range count {
			all = append(all, r.line())
		}
		o.values = all[from:len(all):len(all)]
		if o.kind == opOnce && o.values[0] != "Accept-Encoding" {
			r.fail()
			return nil
		}
		ops = append(ops, o)
	}
	return ops
}
