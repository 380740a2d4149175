package output_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// sealed returns an entry with a checksum that is right, so that a decoder must judge what the head says.
func sealed(parts ...any) []byte {
	head := []byte{}
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			head = binary.AppendUvarint(head, uint64(p))
		case string:
			head = append(binary.AppendUvarint(head, uint64(len(p))), p...)
		case []byte:
			head = append(head, p...)
		}
	}
	entry := append([]byte{somePage().Encode()[0], 0, 0, 0, 0}, head...)
	binary.LittleEndian.PutUint32(entry[1:], crc32.Checksum(head, crc32.MakeTable(crc32.Castagnoli)))
	return entry
}

// body puts the body behind an entry that ends with its length.
func body(entry []byte, text string) []byte { return append(entry, text...) }

// forged are entries that are wrong in one way each, and short.
func forged() map[string][]byte {
	const second = int(time.Second)
	raw := func(b ...byte) []byte { return b }
	return map[string][]byte{
		"a status of four digits":  sealed("key", 1000, second, 0, 1, 1, 0, 0),
		"a life of centuries":      sealed("key", 200, 101*365*24*3600*second, 0, 1, 1, 0, 0),
		"a tail of centuries":      sealed("key", 200, second, 101*365*24*3600*second, 1, 1, 0, 0),
		"a number with a zero":     sealed("key", raw(0xc8, 0x81, 0x00), second, 0, 1, 1, 0, 0),
		"a number without an end":  sealed("key", raw(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
		"a number of eleven bytes": sealed("key", 200, second, 0, 1, raw(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)),
		"a key that is too long":   sealed(math.MaxInt64, raw('k', 'e', 'y')),
		"many fields":              sealed("key", 200, second, 0, 1, 1, 1024, 0),
		"too many fields":          sealed("key", 200, second, 0, 1, 1, math.MaxInt64),
		"many values":              sealed("key", 200, second, 0, 1, 1, 1, raw(0), "X-A", 1024, 0),
		"too many values":          sealed("key", 200, second, 0, 1, 1, 1, raw(0), "X-A", math.MaxInt64),
		"a field of a sixth kind":  sealed("key", 200, second, 0, 1, 1, 1, raw(5), "X-A", 1, "a", 0, 0),
		"another capped field":     sealed("key", 200, second, 0, 1, 1, 1, raw(3), "X-A", 1, "max-age=9", 0, 0),
		"a capped field of none":   sealed("key", 200, second, 0, 1, 1, 1, raw(3), "Cache-Control", 0, 0, 0),
		"a capped field of two":    sealed("key", 200, second, 0, 1, 1, 1, raw(3), "Cache-Control", 2, "a", "b", 0, 0),
		"a field without a kind":   sealed("key", 200, second, 0, 1, 1, 1),
		"a name that is too long":  sealed("key", 200, second, 0, 1, 1, 1, raw(0), math.MaxInt64),
		"a body that is too long":  body(sealed("key", 200, second, 0, 1, 1, 0, math.MaxInt64, 0), "body"),
		"a body that is too short": body(sealed("key", 200, second, 0, 1, 1, 0, 3, 0), "body"),
		"no length of the body":    sealed("key", 200, second, 0, 1, 1, 0),

		"another field said once":    sealed("key", 200, second, 0, 1, 1, 1, raw(4), "X-A", 1, "Accept-Encoding", 0, 0),
		"a field said once of none":  sealed("key", 200, second, 0, 1, 1, 1, raw(4), "Vary", 0, 0, 0),
		"a field said once of two":   sealed("key", 200, second, 0, 1, 1, 1, raw(4), "Vary", 2, "Accept-Encoding", "a", 0, 0),
		"another word said once":     sealed("key", 200, second, 0, 1, 1, 1, raw(4), "Vary", 1, "Cookie", 0, 0),
		"no length of the other":     body(sealed("key", 200, second, 0, 1, 1, 0, 4), "body"),
		"the other is too short":     body(sealed("key", 200, second, 0, 1, 1, 0, 4, 2), "bodyzzz"),
		"the other is too long":      body(sealed("key", 200, second, 0, 1, 1, 0, 4, 3), "bodyzz"),
		"lengths beyond all numbers": body(sealed("key", 200, second, 0, 1, 1, 0, math.MaxInt64, math.MaxInt64), "bodyzz"),
		"the other is no smaller":    body(sealed("key", 200, second, 0, 1, 1, 0, 4, 4), "bodyzzzz"),
		"the other of a 404":         body(sealed("key", 404, second, 0, 1, 1, 0, 4, 2), "bodyzz"),
		"the other although never":   body(sealed("key", 200, second, 0, 1, 1, 0, 4, 1), "bodyz"),
	}
}

// A forged entry whose checksum is right is refused, too, and what it claims costs no memory.
func TestI9_AForgedEntryIsRefused(t *testing.T) { //nolint:paralleltest // it measures what the process allocates
	if _, err := output.Decode(body(sealed("key", 200, int(time.Second), 0, 1, 1, 1, []byte{0}, "X-A", 1, "a", 4, 0), "body"), "key"); err != nil {
		t.Fatalf("an entry that is right: %v", err)
	}
	if _, err := output.Decode(sealed("key", 200, int(time.Second), 0, 1, 1, 1, []byte{3}, "Cache-Control", 1, "max-age=9", 0, 0), "key"); err != nil {
		t.Fatalf("a capped field that is right: %v", err)
	}
	for name, entry := range map[string][]byte{
		"a compressed form": body(sealed("key", 200, int(time.Second), 0, 1, 1, 0, 4, 2), "bodyzz"),
		"none ever":         body(sealed("key", 200, int(time.Second), 0, 1, 1, 0, 4, 1), "body"),
		"a field said once": sealed("key", 200, int(time.Second), 0, 1, 1, 1, []byte{4}, "Vary", 1, "Accept-Encoding", 0, 0),
	} {
		if _, err := output.Decode(entry, "key"); err != nil {
			t.Errorf("%s that is right: %v", name, err)
		}
	}
	for name, entry := range forged() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := output.Decode(entry, "key")
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<10 {
			t.Errorf("%s: %d bytes allocated for an entry of %d", name, n, len(entry))
		}
	}
}

// An answer with more fields than a decoder believes is its client's only.
func TestI9_WhatCannotBeReadBackIsNotStored(t *testing.T) {
	t.Parallel()
	for n, said := range map[int]string{
		900:  "echocache; fwd=uri-miss; stored; ttl=60",
		1100: "echocache; fwd=uri-miss; detail=refused",
	} {
		p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), func(w http.ResponseWriter, _ *http.Request) {
			for i := range n {
				w.Header().Set(fmt.Sprintf("X-%d", i), "1")
			}
			_, _ = io.WriteString(w, "page")
		})
		for turn := range 2 {
			h := ask(p, http.MethodGet).Header()
			if h.Get("X-0") != "1" || h.Get(fmt.Sprintf("X-%d", n-1)) != "1" {
				t.Errorf("%d fields: some are missing", n)
			}
			if turn == 0 && h.Get("Cache-Status") != said {
				t.Errorf("%d fields: %s", n, h.Get("Cache-Status"))
			}
		}
	}
}

// The checksum leaves out the body, whose length is in the head: a bit of it that flips is not seen, and whoever must not
// trust the storage seals entries. This test holds the doc comment to it.
func TestTheChecksumLeavesOutTheBody(t *testing.T) {
	t.Parallel()
	entry := somePage().Encode()
	entry[len(entry)-1] ^= 1
	page, err := output.Decode(entry, "key")
	if err != nil || string(page.Body()) != "bodx" {
		t.Errorf("%v", err)
	}
}

// What a decoded page holds has no room to spare: whoever appends to it makes a copy.
func TestDecodedPagesHaveNoRoom(t *testing.T) {
	t.Parallel()
	entry := append(somePage().Encode(), strings.Repeat("x", 100)...)
	page, err := output.Decode(entry[:len(entry)-100], "key")
	if err != nil {
		t.Fatal(err)
	}
	_ = append(page.Body(), "overwritten"...)
	for _, values := range page.Header() {
		_ = append(values, "overwritten")
	}
	again, err := output.Decode(entry[:len(entry)-100], "key")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(again.Header(), page.Header()); d != "" || bytes.Contains(entry, []byte("overwritten")) {
		t.Errorf("an append has changed the entry %s", d)
	}
}

// The two forms of a page lie one behind the other: neither is copied, and neither can grow into what follows.
func TestDecodedFormsAreViews(t *testing.T) {
	t.Parallel()
	entry := packedPage().Encode()
	at := len(entry) - len("bodyzip")
	entry = append(entry, "next"...)[:len(entry)]
	page, err := output.Decode(entry, "key")
	if err != nil {
		t.Fatal(err)
	}
	if &page.Body()[0] != &entry[at] || &page.Gzip()[0] != &entry[at+len("body")] {
		t.Error("a copy")
	}
	_, _ = append(page.Body(), '!'), append(page.Gzip(), '!')
	if got := string(entry[at : len(entry)+len("next")]); got != "bodyzipnext" {
		t.Errorf("an append has made of it %q", got)
	}
}

// FuzzDecodeHead puts a right checksum in front of any head, which chance would never find.
func FuzzDecodeHead(f *testing.F) {
	for _, entry := range forged() {
		f.Add(entry[output.WireHead:])
	}
	f.Add(packedPage().Encode()[output.WireHead:])
	f.Add(somePage().Encode()[output.WireHead:])
	f.Add(sealed("key", 200, int(time.Second), 0, 1, 1, 1, []byte{3}, "Cache-Control", 1, "max-age=9", 0, 0)[output.WireHead:])
	f.Fuzz(func(t *testing.T, rest []byte) {
		for split := range min(len(rest)+1, 64) { // where the head may end
			entry := slices.Concat(sealed(rest[:split]), rest[split:])
			page, err := output.Decode(entry, "key")
			if err == nil && !bytes.Equal(page.Encode(), entry) {
				t.Errorf("accepted %x, would write %x", entry, page.Encode())
			}
		}
	})
}
