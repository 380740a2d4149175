package security_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Whoever can write to the server and has read the source can make records that are right in every respect, as is done
// here: the layouts stand in store/redisstore/wire.go and output/wire.go.

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
		{"for the page in it", value(func([]byte) []byte { return bomb() })},
		{"for the compressed form of the page", value(func(v []byte) []byte {
			end := bodyAt(v[5:]) + 5
			packed := bomb()
			head := binary.AppendUvarint(v[5:end-1:end-1], uint64(len(packed)))
			return append(pageOf(head, v[end:]), packed...)
		})},
	},
	"every entry overwritten with 4 KiB random bytes": {
		{"for the record", func(string) string { return string(noise()) }},
		{"for the page in it", value(func([]byte) []byte { return noise() })},
		{"after the head", func(r string) string { return r[:strings.IndexByte(r, '\n')+1] + string(noise()) }},
	},
	"varint lengths set to 2^40 and 2^63-1": {
		{"of the record's key, 2^40", func(r string) string { return promised(r, 1<<40) }},
		{"of the record's key, 2^63-1", func(r string) string { return promised(r, math.MaxInt64) }},
		{"of the page's key, 2^40", value(func(v []byte) []byte { return pageOf(binary.AppendUvarint(nil, 1<<40), v[5:]) })},
		{"of the page's key, 2^63-1", value(func(v []byte) []byte { return pageOf(binary.AppendUvarint(nil, math.MaxInt64), v[5:]) })},
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
func value(change func([]byte) []byte) func(string) string {
	return func(record string) string {
		from, at := recordParts([]byte(record))
		b := []byte(record[:at])
		size, n := binary.Uvarint([]byte(record[at:]))
		v := change([]byte(record[at+n : at+n+int(size)]))
		b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
		return string(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli)))
	}
}

// promised is a record whose key claims to be so long, with the right checksum.
func promised(record string, size uint64) string {
	from, at := headEnd([]byte(record))
	b := []byte(record[:at])
	for range 2 { // TTL, sliding
		_, n := binary.Uvarint([]byte(record[len(b):]))
		b = append(b, record[len(b):len(b)+n]...)
	}
	b = append(binary.AppendUvarint(b, size), "short"...)
	return string(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli)))
}

// headEnd returns where the checksum begins to count, and where the head ends.
func headEnd(record []byte) (from, end int) {
	line := bytes.IndexByte(record, '\n')
	words := strings.Fields(string(record[:line]))
	digests, _ := strconv.Atoi(words[len(words)-1])
	return len(words[0]) + len(words[1]) + len(words[2]) + 3, line + 1 + 16*digests
}

// recordParts returns where the checksum begins to count, and where the length of the value stands.
func recordParts(record []byte) (from, at int) {
	from, at = headEnd(record)
	number := func() int {
		v, n := binary.Uvarint(record[at:])
		at += n
		return int(v)
	}
	number() // TTL
	number() // sliding
	at += number()
	for tags := number(); tags > 0; tags-- {
		at += number()
	}
	return from, at
}

// page forges the head and the body of a page in its record: the head from the key to the lengths of the bodies.
func page(change func(head, body []byte) ([]byte, []byte)) func(string) string {
	return value(func(v []byte) []byte {
		end := bodyAt(v[5:]) + 5
		head, body := change(v[5:end:end], v[end:])
		if len(body) != len(v[end:]) { // its length has to be right
			head = append(binary.AppendUvarint(head[:len(head)-2:len(head)-2], uint64(len(body))), 0)
		}
		return pageOf(head, body)
	})
}

// pageOf puts version and checksum before a page.
func pageOf(head, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{pageVersion}, crc32.Checksum(head, castagnoli))
	return append(append(b, head...), body...)
}

const pageVersion = 2

// fieldsAt returns where the number of fields stands in a head.
func fieldsAt(head []byte) int {
	size, at := binary.Uvarint(head)
	at += int(size)
	for range 5 { // status, ttl, tail, made, modified
		_, n := binary.Uvarint(head[at:])
		at += n
	}
	return at
}

// bodyAt returns where a head ends.
func bodyAt(head []byte) int {
	at := fieldsAt(head)
	number := func() int {
		v, n := binary.Uvarint(head[at:])
		at += n
		return int(v)
	}
	for fields := number(); fields > 0; fields-- {
		at++ // the kind
		at += number()
		for values := number(); values > 0; values-- {
			at += number()
		}
	}
	number() // body length
	number() // gzip length
	return at
}

// splitting gives a page one more field, whose value would be several if it were written as it is.
func splitting(head []byte) []byte {
	at := fieldsAt(head)
	count, n := binary.Uvarint(head[at:])
	b := binary.AppendUvarint(bytes.Clone(head[:at]), count+1)
	b = append(b, 0)
	for _, text := range []string{"X-Fine", "", "a\r\nX-Evil: 1\r\n\r\n<script>"} {
		if text == "" {
			b = append(b, 1) // value
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return append(b, head[at+n:]...)
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
