package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/echocache/echocache/internal/checksum"
	"github.com/echocache/echocache/internal/varint"
	"github.com/echocache/echocache/store"
)

// A record at the server:
//
//	"2" tick " "                written by the script; if the record slides "3" tick " " due " "
//	epoch                       16 bytes; from here to the digests is what a look-up judges, the head
//	how many tags               1 byte, with sliding's bit if the record slides; then follows
//	sliding "\n"                in milliseconds
//	digests of the tags         8 bytes each
//	TTL                         in milliseconds, a varint; from here on it is sealed with Config.Keys
//	tags                        fields with their length
//	value                       the rest
//	checksum                    4 bytes
//
// due is in milliseconds by the server's clock. The checksum is CRC-32C of all from the epoch on that is neither value nor
// sealed, and of the key, which does not stand there: the name at the server has a hash of it. A page and a [store.GetOrSet] value have checksums of their own, under their whole key.

const (
	sliding       = 0x80 // the bit of the number of tags that says so
	checksumBytes = 4
)

var errDamaged = errors.New("redisstore: a record is damaged")

// maxMilliseconds are as many as a duration holds.
const maxMilliseconds = uint64(math.MaxInt64 / time.Millisecond)

// milliseconds rounds down, but not to nothing.
func milliseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(1, d.Milliseconds())
}

// encode returns a record as it goes to the script: from the epoch on.
func (s *Store) encode(key string, r store.Record) ([]byte, error) {
	size := 64 + s.seals.overhead() + digestBytes*len(r.Tags) + binary.MaxVarintLen64 + len(r.Value) + checksumBytes
	for _, tag := range r.Tags {
		size += len(tag) + binary.MaxVarintLen16
	}
	if size > s.config.MaxRecord {
		return nil, fmt.Errorf("redisstore: the record takes %d bytes, more than Config.MaxRecord, %d", size, s.config.MaxRecord)
	}
	b := append(make([]byte, 0, size), r.Fence.Epoch[:]...)
	if r.Sliding > 0 {
		b = append(b, byte(len(r.Tags))|sliding)
		b = append(strconv.AppendInt(b, milliseconds(r.Sliding), 10), '\n')
	} else {
		b = append(b, byte(len(r.Tags)))
	}
	for _, tag := range r.Tags {
		b = append(b, s.tagDigest(tag)...)
	}
	head := len(b)
	b = binary.AppendUvarint(b, uint64(milliseconds(r.TTL)))
	for _, tag := range r.Tags {
		b = appendField(b, tag)
	}
	summed := b
	b = append(b, r.Value...)
	if s.seals != nil {
		summed = slices.Clip(b[:head])
		b = s.seals.seal(summed, b[head:], s.config.Namespace, key)
	}
	return binary.LittleEndian.AppendUint32(b, checksum.Of(summed, key)), nil
}

func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoded is a record with room for the tags that most have, so that they are not memory of their own.
type decoded struct {
	record store.Record
	tags   [5]string
}

// decode reads a record that begins with head, which was judged. It borrows from whole, unless that was sealed.
func (s *Store) decode(whole, head []byte, key string) (*store.Record, error) {
	if len(whole) < len(head)+checksumBytes {
		return nil, errDamaged
	}
	room := &decoded{}
	r := &room.record
	from, tags, ok := readHead(head, r)
	if !ok {
		return nil, errDamaged
	}
	end := len(whole) - checksumBytes
	text := whole[len(head):end]
	summed := head[from:]
	if s.seals != nil {
		var err error
		if text, err = s.seals.open(summed, text, s.config.Namespace, key); err != nil {
			return nil, err
		}
	}
	ttl, at := varint.Read(text, 0)
	r.Tags, at = readTags(text, at, tags, room.tags[:0])
	if at < 0 || ttl > maxMilliseconds {
		return nil, errDamaged
	}
	r.TTL, r.Value = time.Duration(ttl)*time.Millisecond, slices.Clip(text[at:])
	if s.seals == nil {
		summed = whole[from : len(head)+at]
	}
	if checksum.Of(summed, key) != binary.LittleEndian.Uint32(whole[end:]) {
		return nil, errDamaged
	}
	return r, nil
}

// readHead reads what a head says of a record, and returns where the epoch begins and how many tags there are.
func readHead(head []byte, r *store.Record) (from, tags int, ok bool) {
	if len(head) == 0 || head[0] != '2' && head[0] != '3' {
		return 0, 0, false
	}
	tick, rest, ok := digits(head[1:], ' ')
	if head[0] == '3' && ok {
		_, rest, ok = digits(rest, ' ') // due
	}
	if !ok || len(rest) <= len(r.Fence.Epoch) {
		return 0, 0, false
	}
	r.Fence.Tick, from = tick, len(head)-len(rest)
	rest = rest[copy(r.Fence.Epoch[:], rest):]
	tags = int(rest[0] &^ sliding)
	slides := rest[0]&sliding != 0
	rest = rest[1:]
	if slides {
		var ms uint64
		ms, rest, ok = digits(rest, '\n')
		r.Sliding = time.Duration(min(ms, maxMilliseconds)) * time.Millisecond
	}
	return from, tags, ok && slides == (head[0] == '3') && tags <= store.MaxTags && len(rest) == digestBytes*tags
}

// digits reads a number that ends with a certain byte.
func digits(b []byte, end byte) (n uint64, rest []byte, ok bool) {
	for i, c := range b {
		switch {
		case c == end:
			return n, b[i+1:], i > 0
		case c < '0' || c > '9' || n > math.MaxInt64/10-1:
			return 0, nil, false
		}
		n = 10*n + uint64(c-'0')
	}
	return 0, nil, false
}

// readTags reads n tags into room, or more if it takes more. They share their bytes with the record.
func readTags(b []byte, at, n int, room []string) ([]string, int) {
	if n == 0 {
		return nil, at
	}
	for range n {
		var size uint64
		if size, at = varint.Read(b, at); at < 0 || size > uint64(len(b)-at) {
			return nil, varint.Bad
		}
		tag := b[at:][:size]
		room, at = append(room, unsafe.String(unsafe.SliceData(tag), len(tag))), at+len(tag)
	}
	return slices.Clip(room), at
}
