// Package checksum binds what is stored to the key under which it is.
package checksum

import (
	"hash/crc32"
	"unsafe"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Of returns the CRC-32C (RFC 3720, section 12.1) of b with key behind it. It finds mistakes, not malice.
func Of(b []byte, key string) uint32 {
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, unsafe.Slice(unsafe.StringData(key), len(key)))
}
