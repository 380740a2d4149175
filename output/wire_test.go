package output_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
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
		for _, name := range rapid.SliceOfN(rapid.StringMatching(`[A-Z][a-z]{0,8}`), 0, 6).Draw(rt, "names") {
			header[name] = rapid.SliceOfN(rapid.String(), 0, 3).Draw(rt, "values")
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

// FuzzDecode reads anything. What is accepted must be exactly what would be written.
func FuzzDecode(f *testing.F) {
	good := somePage().Encode()
	f.Add(good, "key")
	f.Add(good[:len(good)-2], "key")
	f.Add(packedPage().Encode(), "key")
	f.Add([]byte{1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		page, err := output.Decode(b, key)
		if err == nil && !bytes.Equal(page.Encode(), b) {
			t.Errorf("accepted %x, would write %x", b, page.Encode())
		}
	})
}
