package store

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// MaxKeyBytes bounds the key of a value.
const MaxKeyBytes = 1 << 10

// Key builds the key "entity:id" of a value, or "entity:id:id…". In each part "%", ":" and control characters are
// escaped as in a URL, so that different parts never give the same key. An id is rendered as by [fmt.Sprint]: 7 and "7"
// are the same.
func Key(entity string, id ...any) string {
	k := appendEscaped(make([]byte, 0, len(entity)+8*len(id)), entity)
	for _, part := range id {
		k = append(k, ':')
		switch part := part.(type) {
		case string:
			k = appendEscaped(k, part)
		case int:
			k = strconv.AppendInt(k, int64(part), 10)
		case int64:
			k = strconv.AppendInt(k, part, 10)
		default:
			k = appendEscaped(k, fmt.Sprint(part))
		}
	}
	return string(k)
}

func appendEscaped(k []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if b := s[i]; b == '%' || b == ':' || control(b) {
			k = append(k, '%', digits[b>>4], digits[b&15])
		} else {
			k = append(k, b)
		}
	}
	return k
}

func control(b byte) bool { return b < 0x20 || b == 0x7f }

// checkKey returns an error that says what is wrong with the key, but not the key: it may hold a user's id.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf(`store: the key is empty: build one with Key("product", id)`)
	case len(key) > MaxKeyBytes:
		return fmt.Errorf("store: the key has %d bytes, more than %d: hash what is long in it", len(key), MaxKeyBytes)
	case strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return fmt.Errorf("store: the key contains a control character: build it with Key, which escapes it")
	}
	return nil
}

// valueKind is the first field of a value's key at the backend. A page's key begins otherwise (I-6).
const valueKind = "value"

// keyPrefix returns what stands before the key of every value: kind and namespace, each with its length before it.
func keyPrefix(namespace string) string {
	k := appendField(nil, valueKind)
	return string(appendField(k, namespace))
}

func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// full returns the key of a value at the backend.
func (s *Store) full(key string) string { return s.prefix + key }
