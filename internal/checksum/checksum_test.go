package checksum_test

import (
	"testing"

	"github.com/echocache/echocache/internal/checksum"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		b, key string
		want   uint32
	}{
		{"", "", 0},
		{"123456789", "", 0xe3069283}, // the check value of CRC-32C in the catalogue of parametrised CRC algorithms
		{"12345", "6789", 0xe3069283},
		{"", "123456789", 0xe3069283},
	} {
		if got := checksum.Of([]byte(row.b), row.key); got != row.want {
			t.Errorf("%q, %q: %#x, want %#x", row.b, row.key, got, row.want)
		}
	}
	if checksum.Of([]byte("a"), "b") == checksum.Of([]byte("a"), "c") || checksum.Of([]byte("a"), "c") == checksum.Of([]byte("b"), "c") {
		t.Error("another key, or other bytes, and the same sum")
	}
}
