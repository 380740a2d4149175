package redisstore

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// With Config.Keys what a record says stands at the server sealed: whoever reads there sees no value, no key and no tag,
// and whoever writes there can make no record, change none, and put none under another key. What has to be judged by a
// script stays as it is, and is bound to the rest: the epoch, how long the record slides, and the digests of its tags.
//
// The tick is the script's to write and the clock of evictions is the server's to keep. So whoever can write there can
// still bring an evicted record back to life, or evict one: see docs/SECURITY-MODEL.md.

// keyBytes is the length of a key: AES-256.
const keyBytes = 32

// seals are the ways to seal, by key. The first seals, all open. Nil: nothing is sealed.
type seals []cipher.AEAD

// newSeals makes them of keys of the right length. Each seal draws a random nonce of 96 bits, so one key may seal up to
// 2³² records (NIST SP 800-38D, section 8.3).
func newSeals(keys [][]byte) (seals, error) {
	all := make(seals, 0, len(keys))
	for i, key := range keys {
		if len(key) != keyBytes {
			return nil, fmt.Errorf("redisstore: Config.Keys[%d] has %d bytes: a key has %d, from crypto/rand", i, len(key), keyBytes)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("redisstore: Config.Keys[%d]: %w", i, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("redisstore: Config.Keys[%d]: %w", i, err)
		}
		all = append(all, aead)
	}
	return all, nil
}

// overhead is how much longer a sealed text is.
func (s seals) overhead() int {
	if len(s) == 0 {
		return 0
	}
	return s[0].Overhead()
}

// seal appends text to head, sealed. What follows head is bound to it and to the key under which the record lies.
func (s seals) seal(head, text []byte, namespace, key string) []byte {
	return s[0].Seal(head, nil, text, bound(head, namespace, key))
}

// open returns what was sealed after head.
func (s seals) open(head, sealed []byte, namespace, key string) ([]byte, error) {
	with := bound(head, namespace, key)
	for _, one := range s {
		if text, err := one.Open(nil, nil, sealed, with); err == nil {
			return text, nil
		}
	}
	return nil, errDamaged
}

// bound is what a sealed text is bound to. A head says how long it is itself.
func bound(head []byte, namespace, key string) []byte {
	b := make([]byte, 0, len(head)+len(namespace)+len(key)+4)
	return append(appendField(append(b, head...), namespace), key...)
}
