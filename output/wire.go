package output

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
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
//	             one of kind opCapped is Cache-Control and has one value
//	body length
//	body         the rest, exactly
//
// The checksum does not cover the body, so that a look-up costs the same for every size; the body's length is covered.
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
}

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

// encode returns the page's wire form. The body is copied.
func (p *wire) encode() []byte {
	size := headOffset + len(p.key) + len(p.body) + 64
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
	binary.LittleEndian.PutUint32(b[1:], crc32.Checksum(b[headOffset:], castagnoli))
	return append(b, p.body...)
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
	head := b[headOffset : len(b)-len(r.rest)]
	switch {
	case r.failed,
		size != uint64(len(r.rest)),
		crc32.Checksum(head, castagnoli) != binary.LittleEndian.Uint32(b[1:]),
		p.key != string(key),
		p.status < 200 || p.ttl <= 0:
		return nil, errDamaged
	}
	p.body = slices.Clip(r.rest)
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

func (r *reader) kind() opKind {
	if len(r.rest) == 0 || r.rest[0] > byte(opCapped) {
		r.fail()
		return 0
	}
	k := opKind(r.rest[0])
	r.rest = r.rest[1:]
	return k
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
		o := op{kind: r.kind(), name: r.text()}
		count := r.number(maxFields)
		if r.failed || count > uint64(len(r.rest)) || o.kind == opCapped && (o.name != "Cache-Control" || count != 1) {
			r.fail()
			return nil
		}
		from := len(all)
		for range count {
			all = append(all, r.text())
		}
		o.values = all[from:len(all):len(all)]
		ops = append(ops, o)
	}
	return ops
}
