package store

import (
	"bytes"
	"reflect"
	"testing"
	"time"
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
		v, err := decodeValue(data, key)
		if err != nil {
			return
		}
		if v.fresh <= 0 || v.tail < 0 || v.fresh+v.tail <= 0 || len(v.etag)+len(v.payload) > len(data) {
			t.Errorf("%+v", v)
		}
		again, err := decodeValue(v.encode(key), key)
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%+v, %v, then %+v", v, err, again)
		}
		if _, err := decodeValue(data, key+"x"); err == nil {
			t.Error("under another key")
		}
	})
}

// Whatever byte of the head is changed or missing, it is no value, or another one, and never a panic (I-9).
func TestI9_ADamagedValueIsAMiss(t *testing.T) {
	t.Parallel()
	good := value{fresh: time.Minute, tail: time.Hour, etag: `"e"`, modified: 7, id: [8]byte{1}, payload: []byte("payload")}
	data := good.encode("key")
	for n := range len(data) - len(good.payload) {
		if v, err := decodeValue(data[:n], "key"); err == nil {
			t.Errorf("the first %d bytes are %+v", n, v)
		}
	}
	for i, refused := range map[int]bool{0: true, 1: true} {
		forged := bytes.Clone(data)
		forged[i] ^= 0x80
		if _, err := decodeValue(forged, "key"); (err != nil) != refused {
			t.Errorf("byte %d: %v", i, err)
		}
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
