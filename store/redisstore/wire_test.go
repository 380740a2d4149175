package redisstore_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/internal/checksum"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// unconnected returns a store for what needs no server.
func unconnected(tb testing.TB) *redisstore.Store {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	tb.Cleanup(func() { _ = client.Close() })
	return redisstore.New(client, redisstore.Config{Namespace: "wire"})
}

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	t.Parallel()
	s := unconnected(t)
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		want := store.Record{
			Value:   rapid.SliceOf(rapid.Byte()).Draw(t, "value"),
			Tags:    rapid.SliceOfN(rapid.String(), 0, store.MaxTags).Draw(t, "tags"),
			TTL:     time.Duration(rapid.Int64Range(1, int64(math.MaxInt64/time.Millisecond)).Draw(t, "ttl")) * time.Millisecond,
			Sliding: time.Duration(rapid.Int64Range(0, int64(math.MaxInt64/time.Millisecond)).Draw(t, "sliding")) * time.Millisecond,
			Fence:   store.Fence{Epoch: [16]byte{1, 15: rapid.Byte().Draw(t, "epoch")}, Tick: 7},
		}
		whole, head := s.Encoded(key, want)
		got, err := redisstore.Decode(whole, head, key)
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Tags) == 0 {
			want.Tags = nil
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Fatal(diff)
		}
		if _, err := redisstore.Decode(whole, head, key+"x"); err == nil {
			t.Fatal("it passes for another key's")
		}
	})
}

func FuzzDecode(f *testing.F) {
	s := unconnected(f)
	record := store.Record{
		Value: []byte("value"), Tags: []string{"a", "b"}, TTL: time.Minute, Fence: store.Fence{Epoch: [16]byte{1}, Tick: 7},
	}
	whole, head := s.Encoded("k", record)
	f.Add(whole, len(head))
	f.Add(whole[:len(head)], len(head))
	record.Sliding = time.Minute
	whole, head = s.Encoded("k", record)
	f.Add(whole, len(head))
	f.Add([]byte("27 0123456789abcdef\x01\x00\x00\x00\x00"), 20)
	f.Add([]byte("27 0123456789abcdef\x00\x81\x00v\x00\x00\x00\x00"), 20) // a TTL of 1 in two bytes
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, whole []byte, n int) {
		if n < 0 || n > len(whole) {
			return
		}
		r, err := redisstore.Decode(whole, whole[:n], "k")
		whole = bytes.Clone(whole)
		for at := n; r == nil && at+4 <= min(len(whole), n+512); at++ { // chance finds no checksum, whichever bytes it is of
			sum := checksum.Of(whole[min(epochOf(whole), at):at], "k")
			binary.LittleEndian.PutUint32(whole[len(whole)-4:], sum)
			r, err = redisstore.Decode(whole, whole[:n], "k")
		}
		if (r == nil) == (err == nil) {
			t.Errorf("Decode = %v, %v", r, err)
		}
		if r == nil {
			return
		}
		if len(r.Tags) > store.MaxTags || len(r.Value) > len(whole) {
			t.Errorf("Decode = %v", r)
		}
		again, head := s.Encoded("k", *r)
		if again != nil && !bytes.Equal(again[len(head):len(again)-4], whole[n:len(whole)-4]) {
			t.Errorf("%+v stands there as %x, and is written as %x", r, whole[n:], again[len(head):])
		}
	})
}

// epochOf returns where a record's epoch begins, if it has one.
func epochOf(whole []byte) int {
	from := bytes.IndexByte(whole, ' ') + 1
	if bytes.HasPrefix(whole, []byte("3")) {
		from += bytes.IndexByte(whole[from:], ' ') + 1
	}
	return from
}

func TestLabelShowsTheProgrammersWordsOnly(t *testing.T) {
	t.Parallel()
	part := func(s string) string { return string(rune(len(s))) + s }
	page := part("page") + part("shop") + part("cache") + part("v1") + "\x01" + strings.Repeat("f", 16)
	value := part("value") + part("shop")
	for _, row := range []struct{ name, key, want string }{
		{"a page", page + part("/products/:id") + part("https") + part("user-7"), "/products/:id"},
		{"a page without a route", page + part("") + part("https"), "page"},
		{"a page cut short", page, "page"},
		{"a page cut shorter", page[:12], "page"},
		{"a value", value + store.Key("product", "user-7"), "product"},
		{"a value without an id", value + "secret", "value"},
		{"a value without a namespace", part("value"), "value"},
		{"odd letters", value + "a{b}*\x01é\":7", "a_b_____"},
		{"long words", value + strings.Repeat("x", 100) + ":7", strings.Repeat("x", 48)},
		{"another kind", part("other") + part("secret"), "other"},
		{"no kind", "secret", "other"},
		{"nothing", "", "other"},
		{"a length without end", strings.Repeat("\xff", 20), "other"},
	} {
		if got := redisstore.Label(row.key); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
