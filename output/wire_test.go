package output_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

func somePage() *output.Wire {
	return output.NewWire("key", http.StatusOK, time.Minute,
		http.Header{"Content-Type": {"text/plain"}, "X-Two": {"a", "b"}, "X-None": {}, "X-Empty": {""}}, []byte("body"))
}

// packedPage has a compressed form, or what stands for one.
func packedPage() *output.Wire {
	return output.NewPackedWire("key", http.Header{"Content-Type": {"text/plain"}}, []byte("body"), []byte("zip"))
}

func TestWireRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		header := http.Header{}
		name := rapid.OneOf(rapid.StringMatching(`[A-Z][a-z]{0,8}`), rapid.SampledFrom([]string{"Date", "Etag", "Vary", "X-Total-Count"}))
		value := rapid.OneOf(rapid.StringMatching(`[^\r\n\x00]*`), rapid.StringMatching(`W/"[0-9a-f]{32}"`),
			rapid.SampledFrom([]string{"Thu, 01 Jan 1970 00:00:01 GMT", "Accept-Encoding", "no-referrer", "Date"}))
		for _, name := range rapid.SliceOfN(name, 0, 12).Draw(rt, "names") {
			header[name] = rapid.SliceOfN(value, 0, 3).Draw(rt, "values")
		}
		key := rapid.String().Draw(rt, "key")
		body := rapid.SliceOf(rapid.Byte()).Draw(rt, "body")
		page := output.NewWire(key, rapid.IntRange(200, 599).Draw(rt, "status"), time.Second, header, body)
		var packed []byte
		if len(body) > 2 && rapid.Bool().Draw(rt, "packed") {
			packed = rapid.SliceOfN(rapid.Byte(), 2, len(body)-1).Draw(rt, "gzip")
			page = output.NewPackedWire(key, header, body, packed)
		}
		got, err := output.Decode(page.Encode(), key)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(header, got.Header()); d != "" {
			rt.Errorf("-want +got\n%s", d)
		}
		if !bytes.Equal(body, got.Body()) || !bytes.Equal(packed, got.Gzip()) || !bytes.Equal(page.Encode(), got.Encode()) {
			rt.Error("another page")
		}
	})
}

// Every bit of the head counts, every byte that is missing or too many, the key and the version.
func TestI9_ADamagedEntryIsRefused(t *testing.T) {
	t.Parallel()
	packed := packedPage().Encode()
	for n := range packed {
		if _, err := output.Decode(packed[:n], "key"); err == nil {
			t.Errorf("with a compressed form, cut after %d bytes: no error", n)
		}
	}
	good := somePage().Encode()
	if _, err := output.Decode(good, "key"); err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := output.Decode(good[:n], "key"); err == nil {
			t.Errorf("cut after %d bytes: no error", n)
		}
	}
	for i := range (len(good) - len("body")) * 8 {
		bad := bytes.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := output.Decode(bad, "key"); err == nil {
			t.Errorf("bit %d of byte %d: no error", i%8, i/8)
		}
	}
	for name, row := range map[string]struct {
		entry []byte
		key   string
	}{
		"more than its length": {append(bytes.Clone(good), 0), "key"},
		"another's":            {good, "yek"},
		"an older layout":      {append([]byte{good[0] - 1}, good[1:]...), "key"},
		"a newer layout":       {append([]byte{good[0] + 1}, good[1:]...), "key"},
		"nothing":              {nil, "key"},
		"no time to live":      {output.NewWire("key", 200, 0, nil, nil).Encode(), "key"},
		"a status of 1xx":      {output.NewWire("key", 103, time.Second, nil, nil).Encode(), "key"},
	} {
		if _, err := output.Decode(row.entry, row.key); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// tampering changes what it is given to keep.
type tampering struct {
	store.Backend

	change func([]byte) []byte
}

func (b tampering) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	r.Value = b.change(bytes.Clone(r.Value))
	return b.Backend.Store(ctx, key, r)
}

// unwrapping is tampering in front of a backend whose copy-free look-up shows.
type unwrapping struct{ tampering }

func (b unwrapping) Unwrap() store.Backend { return b.Backend }

// A damaged entry in the store is a miss: it is dropped and counted, and the client is shown what the handler says.
func TestI9_ADamagedEntryIsAMiss(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]byte) []byte{
		"truncated":     func(b []byte) []byte { return b[:len(b)-1] },
		"empty":         func([]byte) []byte { return nil },
		"forged":        func(b []byte) []byte { b[output.WireHead+2] ^= 1; return b },
		"an old layout": func(b []byte) []byte { b[0]--; return b },
		"somebody's":    func([]byte) []byte { return somePage().Encode() },
	} {
		for seen, open := range map[string]func(store.Backend) store.Backend{
			"by trip":     func(b store.Backend) store.Backend { return tampering{b, change} },
			"by its view": func(b store.Backend) store.Backend { return unwrapping{tampering{b, change}} },
		} {
			t.Run(name+" "+seen, func(t *testing.T) {
				t.Parallel()
				backend := open(memstore.New(memstore.Config{}))
				p := serve(t, output.Config{Store: store.New(backend, store.Config{})}, output.For(time.Minute),
					func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
				for range 3 {
					if a := p.get(t.Context()); a.Code != http.StatusOK || a.Body.String() != "page" {
						t.Errorf("%d %q", a.Code, a.Body)
					}
				}
				if s := p.cache.Stats(); s.Hits != 0 || s.Damaged == 0 {
					t.Errorf("%d hits, %d damaged", s.Hits, s.Damaged)
				}
			})
		}
	}
}

// readsBack wants that what is accepted, however it is spelt, is what it would be written as.
func readsBack(t *testing.T, entry []byte, key string) {
	t.Helper()
	page, err := output.Decode(entry, key)
	if err != nil {
		return
	}
	written := page.Encode()
	again, err := output.Decode(written, key)
	if err != nil {
		t.Fatalf("accepted %x, would write %x, which is not", entry, written)
	}
	if !page.Same(again) || len(written) > len(entry) {
		t.Errorf("accepted %x, would write %x, another page", entry, written)
	}
}

// FuzzDecode reads anything.
func FuzzDecode(f *testing.F) {
	good := somePage().Encode()
	f.Add(good, "key")
	f.Add(good[:len(good)-2], "key")
	f.Add(packedPage().Encode(), "key")
	f.Add([]byte{1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "")
	f.Add([]byte{}, "")
	f.Fuzz(readsBack)
}

// FuzzDate compares a date with time's own, and a tag with what is kept of it.
func FuzzDate(f *testing.F) {
	for _, at := range []int64{0, 1, -1, 68169600, 951782400, 1764102062, 4107542400, 253402300799, 253402300800, math.MaxInt64, math.MinInt64} {
		f.Add(at)
	}
	f.Fuzz(func(t *testing.T, at int64) {
		want := ""
		if at >= 0 && at <= 253402300799 {
			want = time.Unix(at, 0).UTC().Format(http.TimeFormat)
		}
		if got := output.Date(at); got != want {
			t.Errorf("%d: %q, want %q", at, got, want)
		}
	})
}

// No word has two places, as a name must begin with a capital and no value may begin a line.
func TestWordsHaveOnePlaceEach(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for place := output.WordTag + 1; place < output.Words; place++ {
		word := output.WordAt(place)
		if seen[word] || word == "" || output.Word(word) != place || strings.ContainsAny(word, "\r\n\x00") {
			t.Errorf("%d: %q", place, word)
		}
		seen[word] = true
	}
	for word := range seen {
		if canonical := http.CanonicalHeaderKey(word); canonical != word && seen[canonical] {
			t.Errorf("%q and %q", word, canonical)
		}
	}
}

// The dictionary is part of the wire form: whoever changes it makes another version.
func TestTheDictionaryIsTheVersions(t *testing.T) {
	t.Parallel()
	h := sha256.New()
	for place := range output.Words {
		_, _ = io.WriteString(h, output.WordAt(place)+"\n")
	}
	const want = "3 33abe33209e126b2"
	if got := fmt.Sprintf("%d %x", somePage().Encode()[0], h.Sum(nil)[:8]); got != want {
		t.Errorf("version and sum %s, want %s", got, want)
	}
}
