package redisstore

import "github.com/echocache/echocache/store"

// Label is label.
func Label(key string) string { return label(key) }

// Decode is decode.
func Decode(whole, head []byte, key string) (*store.Record, error) { return decode(whole, head, key) }

// Encoded returns a record as it lies at the server, and its head.
func (s *Store) Encoded(key string, r store.Record) (whole, head []byte) {
	_, body, err := s.accept(key, r)
	if err != nil {
		return nil, nil
	}
	const before = "1 0 7 "
	whole = append([]byte(before), body...)
	line := 0
	for whole[line] != '\n' {
		line++
	}
	return whole, whole[:line+1+16*(len(r.Tags)+1)]
}
