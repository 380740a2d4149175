package varint_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/echocache/echocache/internal/varint"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{0, 1, 0x7f, 0x80, 0x3fff, 0x4000, math.MaxUint32, math.MaxInt64, math.MaxUint64} {
		b := binary.AppendUvarint([]byte{0xff, 0}, n) // what stands before is not looked at
		if got, at := varint.Read(b, 2); got != n || at != len(b) {
			t.Errorf("%d: %d, and the next part at %d of %d", n, got, at, len(b))
		}
		if _, at := varint.Read(b[:len(b)-1], 2); at != varint.Bad {
			t.Errorf("%d without its end: the next part at %d", n, at)
		}
		b[len(b)-1] |= 0x80
		if _, at := varint.Read(append(b, 0), 2); at != varint.Bad {
			t.Errorf("%d in more bytes than it takes: the next part at %d", n, at)
		}
	}
	for _, b := range [][]byte{nil, {0x80}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}} {
		if _, at := varint.Read(b, 0); at != varint.Bad {
			t.Errorf("%x: the next part at %d", b, at)
		}
	}
	for _, at := range []int{varint.Bad, 1, 2} {
		if _, next := varint.Read([]byte{7}, at); next != varint.Bad {
			t.Errorf("at %d: the next part at %d", at, next)
		}
	}
}

func TestSigned(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, -1, 63, -64, 64, -65, math.MaxInt64, math.MinInt64} {
		b := binary.AppendVarint(nil, n)
		if got, at := varint.Signed(b, 0); got != n || at != len(b) {
			t.Errorf("%d: %d, and the next part at %d of %d", n, got, at, len(b))
		}
		if _, at := varint.Signed(b[:len(b)-1], 0); at != varint.Bad {
			t.Errorf("%d without its end: the next part at %d", n, at)
		}
	}
}
