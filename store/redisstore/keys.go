package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// layoutVersion is the version of the clock's layout and of the head of a record, as far as it concerns who evicts
// whom. Instances with different ones must not share a namespace, and do not.
const layoutVersion = 2

// place is what is the same for all keys of one shard.
type place struct {
	clock, table string
	entries      string // what stands before the rest of a record's key
	claims       string // and of a claim's
}

func newPlaces(namespace string, shards int) []place {
	places := make([]place, shards)
	for i := range places {
		tag := "{" + namespace + ":" + strconv.Itoa(i) + "}:"
		places[i] = place{tag + "m", tag + "z", tag + "k:", tag + "l:"}
	}
	return places
}

func layout(shards int) string {
	return strconv.Itoa(layoutVersion) + "/" + strconv.Itoa(shards)
}

// keySum is how many bytes the hash of a key has, with which its name at the server ends in hexadecimal.
const keySum = sha256.Size

// digestBytes is how long a tag is as the table knows it. Two tags with one digest are evicted together, which costs fills
// and nothing else; by chance that happens to one in a thousand billion records while the table is full, and whoever wants
// it for a certain tag has to try 2⁶⁴ names.
const digestBytes = 8

// selfLetters is how much of a record's name at the server stands in the table for its key: as many bits, which the scripts
// read off the name. A tag's digest is never so long.
const selfLetters = 2 * digestBytes

// entry is where a record lies.
type entry struct {
	shard int
	name  string // its key at the server
}

// self returns the tag that the record's key stands for.
func (e entry) self() string { return e.name[len(e.name)-selfLetters:] }

// locate returns where the record under key lies.
func (s *Store) locate(key string) entry {
	sum := sha256.Sum256([]byte(key))
	shard := int(binary.BigEndian.Uint64(sum[:8]) % uint64(len(s.places)))
	prefix, what := s.places[shard].entries, label(key)
	name := make([]byte, 0, len(prefix)+len(what)+1+2*len(sum))
	name = append(append(append(name, prefix...), what...), ':')
	return entry{shard, string(hex.AppendEncode(name, sum[:]))}
}

// tagDigest returns what a tag is in the table. The namespace is part of it.
func (s *Store) tagDigest(tag string) string {
	b := make([]byte, 0, 128)
	b = binary.AppendUvarint(b, uint64(len(s.config.Namespace)))
	b = append(append(b, s.config.Namespace...), tag...)
	sum := sha256.Sum256(b)
	return string(sum[:digestBytes])
}

// maxLabel bounds the readable part of a record's key.
const maxLabel = 48

// label returns the readable part of a record's key: the route pattern of a page, the entity of a value. Both are the
// programmer's words. Nothing else of a key is shown, because the rest may name a user.
func label(key string) string {
	kind, rest, ok := field(key)
	if !ok {
		return "other"
	}
	switch kind {
	case "page": // namespace, cache name, Version, a byte and sixteen, route pattern: see package output
		for range 3 {
			if _, rest, ok = field(rest); !ok {
				return kind
			}
		}
		if len(rest) < 17 {
			return kind
		}
		if route, _, ok := field(rest[17:]); ok && route != "" {
			return sanitised(route)
		}
	case "value": // namespace, then the key as it is: see package store
		if _, rest, ok = field(rest); ok {
			if entity, _, several := strings.Cut(rest, ":"); several && entity != "" {
				return sanitised(entity)
			}
		}
	default:
		return "other"
	}
	return kind
}

// field takes a field with its length before it off the front of a key.
func field(key string) (value, rest string, ok bool) {
	var n uint64
	for i := 0; i < len(key) && i < binary.MaxVarintLen64; i++ {
		n |= uint64(key[i]&0x7f) << (7 * i)
		if key[i] < 0x80 {
			if key = key[i+1:]; n > uint64(len(key)) {
				return "", "", false
			}
			return key[:n], key[n:], true
		}
	}
	return "", "", false
}

// sanitised returns what may stand in a key that people read, type and match with patterns.
func sanitised(s string) string {
	if len(s) > maxLabel {
		s = s[:maxLabel]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_./:", r):
			return r
		default:
			return '_'
		}
	}, s)
}
