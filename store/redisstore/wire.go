package redisstore

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/echocache/echocache/store"
)

// A record at the server:
//
//	"1 " due " " tick " "                                  written by the script
//	epoch " " sliding " " n "\n", n digests of 16 bytes    the head, as far as a look-up judges it
//	TTL, sliding, key, number of tags, each tag, value     varints in nanoseconds, then fields with their length; with
//	                                                       Config.Keys sealed
//	a checksum of all from the epoch on                    CRC-32C
//
// due and sliding are milliseconds, due by the server's clock and 0 unless the record slides. The first digest is that
// of the key itself.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("redisstore: a record is damaged")

const checksumBytes = 4

// milliseconds rounds down, but not to nothing.
func milliseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(1, d.Milliseconds())
}

// encode returns a record as it goes to the script: from the epoch on.
func (s *Store) encode(key string, self digest, r store.Record) ([]byte, error) {
	size := 96 + s.seals.overhead() + 16*(len(r.Tags)+1) + 4*binary.MaxVarintLen64 + len(key) + len(r.Value) + checksumBytes
	for _, tag := range r.Tags {
		size += len(tag) + binary.MaxVarintLen16
	}
	if size > s.config.MaxRecord {
		return nil, fmt.Errorf("redisstore: the record takes %d bytes, more than Config.MaxRecord, %d", size, s.config.MaxRecord)
	}
	b := hex.AppendEncode(make([]byte, 0, size), r.Fence.Epoch[:])
	b = append(b, ' ')
	b = strconv.AppendInt(b, milliseconds(r.Sliding), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(r.Tags)+1), 10)
	b = append(b, '\n')
	b = append(b, self[:]...)
	for _, tag := range r.Tags {
		d := s.tagDigest(tag)
		b = append(b, d[:]...)
	}
	head := len(b)
	b = binary.AppendUvarint(b, uint64(r.TTL))
	b = binary.AppendUvarint(b, uint64(r.Sliding))
	b = appendField(b, key)
	b = binary.AppendUvarint(b, uint64(len(r.Tags)))
	for _, tag := range r.Tags {
		b = appendField(b, tag)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Value)))
	b = append(b, r.Value...)
	if s.seals != nil {
		b = s.seals.seal(slices.Clip(b[:head]), b[head:], s.config.Namespace, key)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoded is a record with room for the tags that most have, so that they are not memory of their own.
type decoded struct {
	record store.Record
	tags   [8]string
}

// headWords returns the six words of a head's first line.
func headWords(head []byte) (words [6][]byte, ok bool) {
	line, _, ok := bytes.Cut(head, []byte{'\n'})
	for i := range words {
		var more bool
		words[i], line, more = bytes.Cut(line, []byte{' '})
		ok = ok && len(words[i]) > 0 && more == (i < len(words)-1)
	}
	return words, ok
}

// decode reads a record that begins with head, which was judged. Its value is a part of whole, unless that was sealed.
func (s *Store) decode(whole, head []byte, key string) (*store.Record, error) {
	words, ok := headWords(head)
	if !ok || len(whole) < len(head)+checksumBytes {
		return nil, errDamaged
	}
	from := len(words[0]) + len(words[1]) + len(words[2]) + 3 // where the epoch begins
	end := len(whole) - checksumBytes
	if crc32.Checksum(whole[from:end], castagnoli) != binary.LittleEndian.Uint32(whole[end:]) {
		return nil, errDamaged
	}
	room := &decoded{}
	r := &room.record
	tick, err := strconv.ParseUint(string(words[2]), 10, 64)
	if err != nil || len(words[3]) != 2*len(r.Fence.Epoch) {
		return nil, errDamaged
	}
	if _, err := hex.Decode(r.Fence.Epoch[:], words[3]); err != nil {
		return nil, errDamaged
	}
	r.Fence.Tick = tick
	text := whole[len(head):end]
	if s.seals != nil {
		if text, err = s.seals.open(whole[from:len(head)], text, s.config.Namespace, key); err != nil {
			return nil, err
		}
	}
	d := decoder{rest: text}
	r.TTL, r.Sliding = d.duration(), d.duration()
	echo := d.field()
	r.Tags = d.tags(room.tags[:0])
	r.Value = d.field()
	if d.bad || len(d.rest) > 0 || string(echo) != key {
		return nil, errDamaged
	}
	return r, nil
}

// decoder takes a record apart. Once something is wrong it is bad and gives nothing more.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number(limit uint64) uint64 {
	n, size := binary.Uvarint(d.rest)
	if d.bad || size <= 0 || n > limit {
		d.bad = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// tags reads the tags of a record into room, or more if it takes more. Their text is copied once for all of them.
func (d *decoder) tags(room []string) []string {
	n := d.number(store.MaxTags)
	if d.bad || n == 0 {
		return nil
	}
	end := *d
	for range n {
		end.field()
	}
	if end.bad {
		d.bad = true
		return nil
	}
	text := string(d.rest[:len(d.rest)-len(end.rest)])
	for range n {
		before := len(d.rest)
		tag := d.field()
		next := before - len(d.rest)
		room = append(room, text[next-len(tag):next])
		text = text[next:]
	}
	return slices.Clip(room)
}

func (d *decoder) duration() time.Duration { return time.Duration(d.number(math.MaxInt64)) }

func (d *decoder) field() []byte {
	n := d.number(math.MaxInt32)
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	value := d.rest[:n:n]
	d.rest = d.rest[n:]
	return value
}
