package store

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/echocache/echocache/internal/checksum"
	"github.com/echocache/echocache/internal/varint"
)

// valueVersion is the version of a value's layout. A value of another is a miss.
const valueVersion = 2

// value is what stands in the record of a value, and, beside it in memory, what was decoded from that.
//
//	version, checksum, flags, kind's id, fresh and tail in nanoseconds, ETag, Last-Modified in seconds, payload to the end
//
// The checksum is CRC-32C of everything behind it, and of the key, in four bytes, little endian. The key is not there: under
// another one it is no value.
type value struct {
	id       [8]byte
	absent   bool          // the load returned ErrNotFound; there is no payload
	fresh    time.Duration // from the moment it was stored
	tail     time.Duration // after that, for StaleIfError; the record's TTL is both
	etag     string        // validators; see [Entry.SetValidators]
	modified int64         // Unix seconds, 0 = none
	payload  []byte        // borrowed from the record
	tags     []string      // of the record

	shared any // a decoded form that all may use, a pointer; nil if there is none
}

const flagAbsent = 1

var errNotAValue = errors.New("store: not a value of this version under this key")

// left returns for how long a value is fresh still, if its record has so long to live.
func (v *value) left(record time.Duration) time.Duration { return record - v.tail }

// age returns how long ago it was stored, if its record has so long to live.
func (v *value) age(record time.Duration) time.Duration { return v.fresh + v.tail - record }

func (v *value) encode(key string) []byte {
	const most = valueHead + 1 + 8 + 4*binary.MaxVarintLen64
	b := make([]byte, valueHead, most+len(v.etag)+len(v.payload))
	b[0] = valueVersion
	var flags byte
	if v.absent {
		flags = flagAbsent
	}
	b = append(b, flags)
	b = append(b, v.id[:]...)
	b = binary.AppendUvarint(b, uint64(v.fresh))
	b = binary.AppendUvarint(b, uint64(v.tail))
	b = appendField(b, v.etag)
	b = binary.AppendVarint(b, v.modified)
	b = append(b, v.payload...)
	binary.LittleEndian.PutUint32(b[1:], checksum.Of(b[valueHead:], key))
	return b
}

// valueHead is where what the checksum covers begins.
const valueHead = 5

// decodeValue reads what encode has written, under the same key. It borrows from b.
func decodeValue(b []byte, key string) (*value, error) {
	v := new(value)
	if len(b) < valueHead+1+len(v.id) || b[0] != valueVersion || checksum.Of(b[valueHead:], key) != binary.LittleEndian.Uint32(b[1:]) {
		return nil, errNotAValue
	}
	flags, at := b[valueHead], valueHead+1
	if flags&^flagAbsent != 0 {
		return nil, errNotAValue
	}
	v.absent = flags == flagAbsent
	at += copy(v.id[:], b[at:])
	fresh, at := varint.Read(b, at)
	tail, at := varint.Read(b, at)
	size, at := varint.Read(b, at)
	if at < 0 || size > uint64(len(b)-at) {
		return nil, errNotAValue
	}
	v.etag = string(b[at:][:size])
	modified, at := varint.Signed(b, at+int(size))
	if at < 0 {
		return nil, errNotAValue
	}
	v.fresh, v.tail, v.modified, v.payload = time.Duration(fresh), time.Duration(tail), modified, b[at:]
	if v.fresh <= 0 || v.tail < 0 || v.fresh+v.tail < 0 || v.absent && len(v.payload) > 0 {
		return nil, errNotAValue
	}
	return v, nil
}

// read returns the value of this kind in a record that was found under key, or nil if it is another one.
func (k *kind) read(r *Record, key string) *value {
	v, err := decodeValue(r.Value, key)
	if err != nil || v.id != k.id {
		return nil
	}
	v.tags = r.Tags
	return v
}
