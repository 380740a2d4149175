package security_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Whoever can write to the server and has read the source can make records that are right in every respect, as is done
// here: the layouts stand in store/redisstore/wire.go and output/wire.go. The checksums are of the key as well, which does not
// stand there; but from two of them what it adds can be found.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// forgery makes another record of one.
type forgery struct {
	name string
	make func(record string) string
}

// forgeries are what an injection of the cases stands for.
var forgeries = map[string][]forgery{
	`entry in Redis rewritten with header value "a\r\nX-Evil: 1\r\n\r\n<script>"`: {
		{"of the last field", page(func(head, body []byte) ([]byte, []byte) {
			return splitting(head), body
		})},
	},
	"entry replaced by a 1 MB gzip that expands to 10 GB": {
		{"for the record", func(string) string { return string(bomb()) }},
		{"for the page in it", value(func(keySum, []byte) []byte { return bomb() })},
		{"for the compressed form of the page", value(func(k keySum, v []byte) []byte {
			end := bodyAt(v[5:]) + 5
			packed := bomb()
			head := binary.AppendUvarint(v[5:end-1:end-1], uint64(len(packed)))
			return append(k.pageOf(head, v[end:]), packed...)
		})},
	},
	"every entry overwritten with 4 KiB random bytes": {
		{"for the record", func(string) string { return string(noise()) }},
		{"for the page in it", value(func(keySum, []byte) []byte { return noise() })},
		{"after the head", func(r string) string { return r[:partsOf(r).text] + string(noise()) }},
	},
	"varint lengths set to 2^40 and 2^63-1": {
		{"of a tag, 2^40", func(r string) string { return promised(r, 1<<40) }},
		{"of a tag, 2^63-1", func(r string) string { return promised(r, math.MaxInt64) }},
		{"of the page's text, 2^40", page(func(head, body []byte) ([]byte, []byte) {
			return binary.AppendUvarint(slices.Clip(head[:textAt(head)]), 1<<40), body
		})},
		{"of the page's text, 2^63-1", page(func(head, body []byte) ([]byte, []byte) {
			return binary.AppendUvarint(slices.Clip(head[:textAt(head)]), math.MaxInt64), body
		})},
		{"of the body, 2^40", page(func(head, body []byte) ([]byte, []byte) {
			return append(binary.AppendUvarint(head[:len(head)-2:len(head)-2], 1<<40), 0), body
		})},
		{"of the fields, 2^63-1", page(func(head, body []byte) ([]byte, []byte) {
			at := fieldsAt(head)
			return binary.AppendUvarint(head[:at:at], math.MaxInt64), body
		})},
	},
	`entry re-encoded with body "evil" and valid checksum`: {
		{"as it is sealed", func(r string) string { // what can be changed without the key: any byte of it
			b := []byte(r)
			b[len(b)-1] ^= 1
			return string(b)
		}},
		{"as it would be without a seal", nil}, // by a process without the key; see inject
	},
}

// value forges the value of a record and leaves the rest, with the right checksums.
func value(change func(k keySum, v []byte) []byte) func(string) string {
	return func(record string) string {
		at := partsOf(record)
		k := keySumOf(record)
		v := change(k, []byte(record[at.value:at.end]))
		return k.recordOf(record[:at.epoch], record[at.epoch:at.value], string(v))
	}
}

// promised is a record whose first tag claims to be so long, with the right checksum.
func promised(record string, size uint64) string {
	at := partsOf(record)
	_, ttl := binary.Uvarint([]byte(record[at.text:]))
	summed := binary.AppendUvarint([]byte(record[at.epoch:at.text+ttl]), size)
	return keySumOf(record).recordOf(record[:at.epoch], string(summed), "short")
}

// parts are where a record's epoch begins, what may be sealed, the value, and where that ends.
type parts struct{ epoch, text, value, end int }

func partsOf(record string) (at parts) {
	at.epoch = strings.Index(record, " ") + 1
	tags := int(record[at.epoch+16]) // nothing here slides
	at.text = at.epoch + 17 + 8*tags
	at.value = at.text
	number := func() int {
		v, n := binary.Uvarint([]byte(record[at.value:]))
		at.value += n
		return int(v)
	}
	number() // TTL
	for range tags {
		at.value += number()
	}
	at.end = len(record) - 4
	return at
}

// keySum is what can be known of a key from what it adds to checksums: its length, and its own checksum.
type keySum struct {
	length int
	sum    uint32
}

// keySumOf finds it where it is the same for the checksum of a record and that of the page in it. Of what is sealed nothing
// is found, nor needed.
func keySumOf(record string) (k keySum) {
	at := partsOf(record)
	page := []byte(record[at.value:at.end])
	outer, inner := []byte(record[at.epoch:at.value]), page[5:5+bodyAt(page[5:])]
	for k.length = range 8 << 10 {
		k.sum = 0
		k.sum = k.of(outer) ^ binary.LittleEndian.Uint32([]byte(record[at.end:]))
		if k.of(inner) == binary.LittleEndian.Uint32(page[1:]) {
			return k
		}
	}
	panic("no key explains the checksums")
}

// of returns the checksum of b with the key behind it.
func (k keySum) of(b []byte) uint32 {
	zeros := make([]byte, k.length)
	return ^crc32.Update(^crc32.Checksum(b, castagnoli), castagnoli, zeros) ^ k.sum
}

// recordOf puts the checksum behind a record.
func (k keySum) recordOf(before, summed, value string) string {
	b := []byte(before + summed + value)
	return string(binary.LittleEndian.AppendUint32(b, k.of([]byte(summed))))
}

// page forges the head and the body of a page in its record: the head from the status to the lengths of the bodies.
func page(change func(head, body []byte) ([]byte, []byte)) func(string) string {
	return value(func(k keySum, v []byte) []byte {
		end := bodyAt(v[5:]) + 5
		head, body := change(v[5:end:end], v[end:])
		if len(body) != len(v[end:]) { // its length has to be right
			head = append(binary.AppendUvarint(head[:len(head)-2:len(head)-2], uint64(len(body))), 0)
		}
		return k.pageOf(head, body)
	})
}

// pageOf puts version and checksum before a page.
func (k keySum) pageOf(head, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{pageVersion}, k.of(head))
	return append(append(b, head...), body...)
}

const pageVersion = 3

// textAt returns where the length of the text stands in a head.
func textAt(head []byte) (at int) {
	for range 5 { // status, ttl, tail, made, modified
		_, n := binary.Uvarint(head[at:])
		at += n
	}
	return at
}

// fieldsAt returns where the number of fields stands in a head.
func fieldsAt(head []byte) int {
	at := textAt(head)
	size, n := binary.Uvarint(head[at:])
	return at + n + int(size)
}

// lengthsAt returns where the lengths of the bodies stand in a head.
func lengthsAt(head []byte) int {
	at := fieldsAt(head)
	number := func() int {
		v, n := binary.Uvarint(head[at:])
		at += n
		return int(v)
	}
	for fields := number(); fields > 0; fields-- {
		values := 1
		if at++; head[at-1] < 0x80 { // else its name is in that
			number() // the name
			values = number()
		}
		for range values {
			if number() == 3 { // an entity tag
				at += 16
			}
		}
	}
	return at
}

// bodyAt returns where a head ends.
func bodyAt(head []byte) int {
	at := lengthsAt(head)
	for range 2 {
		_, n := binary.Uvarint(head[at:])
		at += n
	}
	return at
}

// splitting gives a page one more field, whose value would be several if it were written as it is.
func splitting(head []byte) []byte {
	const name, value = "X-Fine", "a\r\nX-Evil: 1\r\n\r\n<script>"
	from, fields, lengths := textAt(head), fieldsAt(head), lengthsAt(head)
	size, n := binary.Uvarint(head[from:])
	text := string(head[from+n:from+n+int(size)]) + name + value
	count, counted := binary.Uvarint(head[fields:])
	b := binary.AppendUvarint(bytes.Clone(head[:from]), uint64(len(text)))
	b = binary.AppendUvarint(append(b, text...), count+1)
	b = append(b, head[fields+counted:lengths]...)
	b = append(b, 0, 2*byte(len(name)), 1, 2*byte(len(value)))
	return append(b, head[lengths:]...)
}

// bomb is a megabyte of gzip that becomes a gigabyte: deflate packs a thousandfold at most, so ten are not to be had.
func bomb() []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range 16 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	one := b.Bytes()
	return bytes.Repeat(one, 1<<20/len(one)) // members follow each other, as RFC 1952 allows
}

// noise is the same in every run.
func noise() []byte {
	b := make([]byte, 4<<10)
	_, _ = io.ReadFull(rand.NewChaCha8([32]byte{1}), b)
	return b
}
