// Package varint reads the numbers in what is stored.
package varint

import "encoding/binary"

// Bad is where the next part begins if something is wrong. What reads a part is given where that begins, and returns where
// the next one does; given Bad it returns Bad, so that a row of parts is judged once, at its end. What it returns besides
// means nothing then.
const Bad = -1

// Read reads an unsigned varint as [binary.AppendUvarint] writes it, which is the shortest: a number has one way to stand there.
func Read(b []byte, at int) (uint64, int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 { // most are of one byte
		return uint64(b[at]), at + 1
	}
	return long(b, at)
}

func long(b []byte, at int) (uint64, int) {
	if uint(at) > uint(len(b)) {
		return 0, Bad
	}
	v, n := binary.Uvarint(b[at:])
	if n <= 0 || n > 1 && b[at+n-1] == 0 {
		return 0, Bad
	}
	return v, at + n
}

// Signed reads a varint with a sign, as [binary.AppendVarint] writes it.
func Signed(b []byte, at int) (int64, int) {
	v, at := Read(b, at)
	return int64(v>>1) ^ -int64(v&1), at
}
