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

// sealed returns an entry of "key" with a checksum that is right, so that a decoder must judge what the head says. A string
// is its length and its bytes.
func sealed(parts ...any) []byte {
	head := []byte{}
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			head = binary.AppendUvarint(head, uint64(p))
		case uint64:
			head = binary.AppendUvarint(head, p)
		case string:
			head = append(binary.AppendUvarint(head, uint64(len(p))), p...)
		case []byte:
			head = append(head, p...)
		}
	}
	entry := append([]byte{somePage().Encode()[0], 0, 0, 0, 0}, head...)
	sum := crc32.Checksum(slices.Concat(head, []byte("key")), crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(entry[1:], sum)
	return entry
}

// fielded returns an entry without a body: text is that of its fields, of which there are n.
func fielded(text string, n int, fields ...any) []byte {
	return sealed(slices.Concat([]any{0, int(2 * time.Second / time.Millisecond), 0, 1, 1, text, n}, fields, []any{0, 0})...)
}

// body puts the body behind an entry that ends with its length.
func body(entry []byte, text string) []byte { return append(entry, text...) }

func raw(b ...byte) []byte { return b }

// spelt is the word of a text.
func spelt(text string) int { return 2 * len(text) }

// Words that are not spelt.
var (
	theDate = raw(2*output.WordDate + 1)
	theTag  = append(raw(2*output.WordTag+1), "0123456789abcdef"...)
)

// ofOne begins a field of one value, with a name of the dictionary.
func ofOne(name string) []byte { return raw(0x80 | byte(output.Word(name))) }

// Numbers that are too large, or nearly.
const (
	centuries = uint64(101*365*24*time.Hour)<<1 | 1
	huge      = uint64(math.MaxInt64)
	lastDate  = uint64(253402300799)
)

// forged are entries that are wrong in one way each, and short.
func forged() map[string][]byte {
	const second = int(time.Second)<<1 | 1
	x := spelt("X-A")
	return map[string][]byte{
		"a status of four digits":  sealed(800, second, 0, 1, 1, "", 0, 0, 0),
		"a life of centuries":      sealed(0, centuries, 0, 1, 1, "", 0, 0, 0),
		"a tail of centuries":      sealed(0, second, centuries, 1, 1, "", 0, 0, 0),
		"a life of many ms":        sealed(0, huge-1, 0, 1, 1, "", 0, 0, 0),
		"no life":                  sealed(0, 0, second, 1, 1, "", 0, 0, 0),
		"a number with a zero":     sealed(raw(0xc8, 0x81, 0x00), second, 0, 1, 1, "", 0, 0, 0),
		"a zero with a zero":       sealed(raw(0x80, 0x00), second, 0, 1, 1, "", 0, 0, 0),
		"a number without an end":  sealed(raw(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
		"a number of eleven bytes": sealed(0, second, 0, 1, raw(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)),
		"a text that is too long":  sealed(0, second, 0, 1, 1, huge, raw('t')),
		"a text that nobody takes": fielded("text", 0),
		"a text that ends early":   fielded("X-A", 1, raw(0), x, 1, spelt("a")),
		"many fields":              sealed(0, second, 0, 1, 1, "", 1024, 0),
		"too many fields":          sealed(0, second, 0, 1, 1, "", huge),
		"many values":              sealed(0, second, 0, 1, 1, "X-A", 1, raw(0), x, 1024, 0),
		"too many values":          sealed(0, second, 0, 1, 1, "X-A", 1, raw(0), x, huge),
		"a field of a sixth kind":  fielded("X-Aa", 1, raw(5), x, 1, spelt("a")),
		"another capped field":     fielded("X-Amax-age=9", 1, raw(3), x, 1, spelt("max-age=9")),
		"a capped field of none":   fielded("Cache-Control", 1, raw(3), spelt("Cache-Control"), 0),
		"a capped field of two":    fielded("Cache-Controlab", 1, raw(3), spelt("Cache-Control"), 2, spelt("a"), spelt("b")),
		"a deleted field of one":   fielded("X-Aa", 1, raw(2), x, 1, spelt("a")),
		"a field without a kind":   sealed(0, second, 0, 1, 1, "", 1),
		"a name that is too long":  fielded("", 1, raw(0), huge),
		"a body that is too long":  body(sealed(0, second, 0, 1, 1, "", 0, huge, 0), "body"),
		"a body that is too short": body(sealed(0, second, 0, 1, 1, "", 0, 3, 0), "body"),
		"no length of the body":    sealed(0, second, 0, 1, 1, "", 0),

		"a value of two lines":      fielded("X-Aa\r\nX-Evil: 1", 1, raw(0), x, 1, spelt("a\r\nX-Evil: 1")),
		"a name of two lines":       fielded("X-A: a\nX-Evil1", 1, raw(0), spelt("X-A: a\nX-Evil"), 1, spelt("1")),
		"a value with a zero byte":  fielded("X-Aab\x00c", 1, raw(1), x, 2, spelt("a"), spelt("b?c")),
		"another field said once":   fielded("X-AAccept-Encoding", 1, raw(4), x, 1, spelt("Accept-Encoding")),
		"a field said once of none": fielded("Vary", 1, raw(4), spelt("Vary"), 0),
		"a field said once of two":  fielded("VaryAccept-Encodinga", 1, raw(4), spelt("Vary"), 2, spelt("Accept-Encoding"), spelt("a")),
		"another word said once":    fielded("VaryCookie", 1, raw(4), spelt("Vary"), 1, spelt("Cookie")),

		"a word that there is not":       fielded("X-A", 1, raw(0), x, 1, 2*output.Words+1),
		"a word of all bits":             fielded("X-A", 1, raw(0), x, 1, huge),
		"a name that is a date":          fielded("", 1, raw(0), theDate, 0),
		"a name that is a tag":           fielded("", 1, raw(0), theTag, 0),
		"a field of one that is a date":  fielded("a", 1, raw(0x80|output.WordDate), spelt("a")),
		"a field of one that there isnt": fielded("a", 1, raw(0xff), spelt("a")),
		"a field of one of none":         sealed(0, second, 0, 1, 1, "", 1, ofOne("Etag")),
		"a date of another field":        fielded("", 1, ofOne("Vary"), theDate),
		"two dates":                      fielded("", 2, ofOne("Date"), theDate, ofOne("Date"), theDate),
		"a date of five digits":          sealed(0, second, 0, lastDate+1, 1, "", 1, ofOne("Date"), theDate, 0, 0),
		"a tag of another field":         fielded("", 1, ofOne("Vary"), theTag),
		"two tags":                       fielded("", 2, ofOne("Etag"), theTag, ofOne("Etag"), theTag),
		"a tag cut short":                sealed(0, second, 0, 1, 1, "", 1, ofOne("Etag"), theTag[:16]),

		"no length of the other":     body(sealed(0, second, 0, 1, 1, "", 0, 4), "body"),
		"the other is too short":     body(sealed(0, second, 0, 1, 1, "", 0, 4, 2), "bodyzzz"),
		"the other is too long":      body(sealed(0, second, 0, 1, 1, "", 0, 4, 3), "bodyzz"),
		"lengths beyond all numbers": body(sealed(0, second, 0, 1, 1, "", 0, huge, huge), "bodyzz"),
		"the other is no smaller":    body(sealed(0, second, 0, 1, 1, "", 0, 4, 4), "bodyzzzz"),
		"the other of a 404":         body(sealed(204, second, 0, 1, 1, "", 0, 4, 2), "bodyzz"),
		"the other although never":   body(sealed(0, second, 0, 1, 1, "", 0, 4, 1), "bodyz"),
	}
}

// right are entries that are as they should be, and what their fields are.
func right() map[string]struct {
	entry  []byte
	header http.Header
} {
	const second = int(time.Second)<<1 | 1
	x := spelt("X-A")
	return map[string]struct {
		entry  []byte
		header http.Header
	}{
		"a body":   {body(sealed(0, second, 0, 1, 1, "X-Aa", 1, raw(0), x, 1, spelt("a"), 4, 0), "body"), http.Header{"X-A": {"a"}}},
		"a status": {body(sealed(204, second, 0, 1, 1, "", 0, 4, 0), "body"), http.Header{}},
		"a capped field": {
			fielded("max-age=9", 1, raw(3), 2*output.Word("Cache-Control")+1, 1, spelt("max-age=9")),
			http.Header{"Cache-Control": {"max-age=9"}},
		},
		"a compressed form": {body(sealed(0, second, 0, 1, 1, "", 0, 4, 2), "bodyzz"), http.Header{}},
		"none ever":         {body(sealed(0, second, 0, 1, 1, "", 0, 4, 1), "body"), http.Header{}},
		"a field said once": {
			fielded("", 1, raw(4), 2*output.Word("Vary")+1, 1, 2*output.Word("Accept-Encoding")+1),
			http.Header{"Vary": {"Accept-Encoding"}},
		},
		"words that are spelt": {fielded("Linkgzip", 1, raw(0), spelt("Link"), 1, spelt("gzip")), http.Header{"Link": {"gzip"}}},
		"words that are not":   {fielded("", 1, ofOne("Etag"), 2*output.Word("gzip")+1), http.Header{"Etag": {"gzip"}}},
		"the date of the fill": {fielded("", 1, ofOne("Date"), theDate), http.Header{"Date": {"Thu, 01 Jan 1970 00:00:01 GMT"}}},
		"a tag of the cache's": {fielded("", 1, ofOne("Etag"), theTag), http.Header{"Etag": {`W/"30313233343536373839616263646566"`}}},
		"a value of no length": {fielded("X-A", 1, raw(0), x, 1, 0), http.Header{"X-A": {""}}},
		"a deleted field":      {fielded("X-A", 1, raw(2), x, 0), http.Header{}},
		"the last date of all": {
			sealed(0, second, 0, lastDate, 1, "", 1, ofOne("Date"), theDate, 0, 0),
			http.Header{"Date": {"Fri, 31 Dec 9999 23:59:59 GMT"}},
		},
	}
}

// A forged entry whose checksum is right is refused, too, and what it claims costs no memory.
func TestI9_AForgedEntryIsRefused(t *testing.T) { //nolint:paralleltest // it measures what the process allocates
	for name, row := range right() {
		page, err := output.Decode(row.entry, "key")
		if err != nil {
			t.Fatalf("%s, which is right: %v", name, err)
		}
		if d := cmp.Diff(row.header, page.Header()); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
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

// A name that the cache reads itself has one form, so that whoever looks for it finds it.
func TestI9_ANameWithAMeaningIsNotSpelt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Etag", "Date", "Cache-Control", "Vary", "Expires"} {
		if _, err := output.Decode(fielded(name+"v", 1, raw(0), spelt(name), 1, spelt("v")), "key"); err == nil {
			t.Errorf("%s, spelt: no error", name)
		}
		if _, err := output.Decode(fielded("v", 1, ofOne(name), spelt("v")), "key"); err != nil {
			t.Errorf("%s: %v", name, err)
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

// What a handler says that does not fit on a line of a header goes to its client, as net/http lets it, and to nobody else.
func TestI9_AFieldOfTwoLinesIsNotStored(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-A", "a\r\nX-Evil: 1")
		_, _ = io.WriteString(w, "page")
	})
	for range 2 {
		h := ask(p, http.MethodGet).Header()
		if h.Get("X-A") != "a\r\nX-Evil: 1" || h.Get("Cache-Status") != "echocache; fwd=uri-miss; detail=refused" {
			t.Errorf("%v", h)
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
	for _, row := range right() {
		f.Add(row.entry[output.WireHead:])
	}
	f.Add(packedPage().Encode()[output.WireHead:])
	f.Add(somePage().Encode()[output.WireHead:])
	f.Fuzz(func(t *testing.T, rest []byte) {
		for split := range min(len(rest)+1, 64) { // where the head may end
			readsBack(t, slices.Concat(sealed(rest[:split]), rest[split:]), "key")
		}
	})
}
