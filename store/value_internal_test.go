package store

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/checksum"
)

func FuzzDecodeValue(f *testing.F) {
	for _, v := range []value{
		{fresh: time.Minute, payload: []byte(`{"a":1}`)},
		{fresh: 1, tail: time.Hour, etag: `W/"x"`, modified: -5, id: [8]byte{1, 2, 3}},
		{absent: true, fresh: time.Second},
	} {
		f.Add(v.encode("product:7"), "product:7")
	}
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		if _, err := decodeValue(data, key); err != nil && len(data) >= valueHead { // chance finds no checksum
			data = bytes.Clone(data)
			binary.LittleEndian.PutUint32(data[1:], checksum.Of(data[valueHead:], key))
		}
		v, err := decodeValue(data, key)
		if err != nil {
			return
		}
		if v.fresh <= 0 || v.tail < 0 || v.fresh+v.tail <= 0 || len(v.etag)+len(v.payload) > len(data) {
			t.Errorf("%+v", v)
		}
		if again := v.encode(key); !bytes.Equal(again, data) {
			t.Errorf("%+v stands there as %x, and is written as %x", v, data, again)
		}
		if _, err := decodeValue(data, key+"x"); err == nil {
			t.Error("under another key")
		}
	})
}

// Whatever byte is changed, missing or too many, it is no value, and nor is it under another key (I-9).
func TestI9_EveryByteOfAValueCounts(t *testing.T) {
	t.Parallel()
	good := value{fresh: time.Minute, tail: time.Hour, etag: `"e"`, modified: 7, id: [8]byte{1}, payload: []byte("payload")}
	data := good.encode("key")
	for n := range data {
		if v, err := decodeValue(data[:n], "key"); err == nil {
			t.Errorf("the first %d bytes are %+v", n, v)
		}
	}
	for bit := range 8 * len(data) {
		damaged := bytes.Clone(data)
		damaged[bit/8] ^= 1 << (bit % 8)
		if v, err := decodeValue(damaged, "key"); err == nil {
			t.Errorf("with bit %d changed it is %+v", bit, v)
		}
	}
	if v, err := decodeValue(append(bytes.Clone(data), 0), "key"); err == nil {
		t.Errorf("with a byte more it is %+v", v)
	}
	if v, err := decodeValue(data, "yek"); err == nil {
		t.Errorf("under another key it is %+v", v)
	}
	for name, v := range map[string]value{
		"no time":           {},
		"negative time":     {fresh: -1},
		"negative tail":     {fresh: 1, tail: -1},
		"overflowing times": {fresh: 1 << 62, tail: 1 << 62},
		"absent, with one":  {fresh: 1, absent: true, payload: []byte("p")},
	} {
		if got, err := decodeValue(v.encode("key"), "key"); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The memory of failures is bounded, and ends by itself.
func TestI8_ThrottledIsBounded(t *testing.T) {
	t.Parallel()
	m := newThrottled()
	for i := range maxThrottled + 10 {
		m.add(Key("k", i), time.Hour)
	}
	if len(m.until) > maxThrottled {
		t.Errorf("%d keys", len(m.until))
	}
	m.add("short", 0)
	if m.holds("short") || !m.holds(Key("k", maxThrottled+9)) {
		t.Error("the last ones are not there, or one whose time is over is")
	}
	m.remove(Key("k", maxThrottled+9))
	if m.holds(Key("k", maxThrottled+9)) {
		t.Error("removed, and there")
	}
}
