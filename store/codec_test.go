package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// roundTrip insists that a value comes back the same, the first time and from the cache, without another load.
func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	for name, backend := range backends {
		for _, immutable := range []bool{false, true} {
			s := store.New(backend(), store.Config{})
			loads := 0
			for i := range 3 {
				got, err := store.GetOrSet(t.Context(), s, "k", store.Options{Immutable: immutable}, func(context.Context) (T, error) {
					loads++
					return v, nil
				})
				if err != nil || !reflect.DeepEqual(got, v) || loads != 1 {
					t.Errorf("%s, immutable %v, %d: %#v, %v after %d loads; want %#v", name, immutable, i, got, err, loads, v)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

type named string

type nested struct {
	Map   map[string][]int
	Other *nested
	When  time.Time
	Raw   json.RawMessage
}

func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	roundTrip(t, 7)
	roundTrip(t, int64(math.MinInt64))
	roundTrip(t, 1.5)
	roundTrip(t, true)
	roundTrip(t, "")
	roundTrip(t, "a\x00\xff not UTF-8")
	roundTrip(t, named("n"))
	roundTrip(t, []byte{})
	roundTrip(t, []byte("a\x00\xff"))
	roundTrip(t, []string{"a", "b"})
	roundTrip(t, map[string]int{"a": 1})
	roundTrip(t, [3]int{1, 2, 3})
	roundTrip(t, (*row)(nil))
	roundTrip(t, &row{7, []string{"a"}})
	roundTrip(t, []*row{{1, []string{"a"}}, nil})
	roundTrip(t, struct{}{})
	roundTrip(t, any("text"))
	roundTrip(t, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	roundTrip(t, url.URL{Scheme: "https", Host: "shop.example", Path: "/a b"}) // by its MarshalBinary
	roundTrip(t, &url.URL{Host: "h"})
	roundTrip(t, (*url.URL)(nil))
	roundTrip(t, json.RawMessage(`{"a":1}`))
	roundTrip(t, nested{map[string][]int{"a": {1}}, &nested{Raw: json.RawMessage("1")}, time.Unix(7, 0).UTC(), json.RawMessage(`null`)})
}

// binaryOnly has no exported field: without its own form it could not be kept.
type binaryOnly struct{ text string }

func (b binaryOnly) MarshalBinary() ([]byte, error) { return []byte(b.text), nil }

func (b *binaryOnly) UnmarshalBinary(data []byte) error {
	b.text = string(data)
	return nil
}

func TestBinaryMarshaler(t *testing.T) {
	t.Parallel()
	roundTrip(t, binaryOnly{"text"})
	roundTrip(t, binaryOnly{})
	roundTrip(t, &binaryOnly{"text"})
	roundTrip(t, (*binaryOnly)(nil))
}

// What has no encoded form, or cannot be read back, is returned and not kept; never is it another value the second time.
func TestWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	notKept(t, math.NaN())
	notKept(t, func() {})
	notKept(t, struct{ secret string }{"s"})
	notKept(t, &struct{ secret string }{"s"})
	notKept(t, struct {
		Secret string `json:"-"`
	}{"s"})
	notKept[error](t, errSource)
	notKept(t, panics{1})
}

type panics struct{ A int }

func (panics) MarshalJSON() ([]byte, error) { panic("in MarshalJSON") }

func notKept[T any](t *testing.T, v T) {
	t.Helper()
	s := open(t, memstore.New(memstore.Config{}), store.Config{})
	for want := range 3 {
		loads := 0
		got, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, func(context.Context) (T, error) {
			loads++
			return v, nil
		})
		if err != nil || loads != 1 || reflect.ValueOf(got).IsZero() {
			t.Errorf("%T, %d: %v, %v after %d loads", v, want, got, err, loads)
		}
	}
}

// What the codec loses is missing from the first time on.
func TestTheFirstCallerGetsACopyToo(t *testing.T) {
	t.Parallel()
	type half struct {
		Shown  string
		hidden string
	}
	s := open(t, memstore.New(memstore.Config{}), store.Config{})
	for range 2 {
		got, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, func(context.Context) (half, error) {
			return half{"s", "h"}, nil
		})
		if err != nil || got != (half{"s", ""}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// A struct of the same name with other fields is another type: that of the release before, in a rolling deploy.
func TestAnotherReleaseIsAMiss(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.New(memstore.Config{}), store.Config{})
	before := setOld(t, s)
	type product struct{ Name, Brand string }
	if name := reflect.TypeFor[product]().String(); name != before {
		t.Fatalf("%s and %s", name, before)
	}
	if got, found, err := store.Get[product](t.Context(), s, "k"); found || err != nil {
		t.Errorf("%+v, %v, %v", got, found, err)
	}
}

func setOld(t *testing.T, s *store.Store) string {
	t.Helper()
	type product struct{ Name string }
	if err := store.Set(t.Context(), s, "k", store.Options{}, product{"n"}); err != nil {
		t.Error(err)
	}
	return reflect.TypeFor[product]().String()
}

// A value of another type, shape, codec or version is a miss, and dropped; it is never a zero value.
func TestAnotherTypeIsAMiss(t *testing.T) {
	t.Parallel()
	type v1 struct{ Name string }
	type v2 struct {
		Name string `json:"title"`
	}
	for name, backend := range backends {
		b := backend()
		s := open(t, b, store.Config{})
		other := store.New(b, store.Config{Codec: upper{}}) // shares the backend, and is not closed
		set := func() {
			t.Helper()
			if err := store.Set(t.Context(), s, "k", store.Options{}, v1{"n"}); err != nil {
				t.Fatal(err)
			}
			if got, found, err := store.Get[v1](t.Context(), s, "k"); got.Name != "n" || !found || err != nil {
				t.Errorf("%s: %+v, %v, %v", name, got, found, err)
			}
		}
		for what, miss := range map[string]func() (bool, error){
			"another name": func() (bool, error) { _, found, err := store.Get[v2](t.Context(), s, "k"); return found, err },
			"a pointer":    func() (bool, error) { _, found, err := store.Get[*v1](t.Context(), s, "k"); return found, err },
			"a string":     func() (bool, error) { _, found, err := store.Get[string](t.Context(), s, "k"); return found, err },
			"bytes":        func() (bool, error) { _, found, err := store.Get[[]byte](t.Context(), s, "k"); return found, err },
			"any":          func() (bool, error) { _, found, err := store.Get[any](t.Context(), s, "k"); return found, err },
			"codec":        func() (bool, error) { _, found, err := store.Get[v1](t.Context(), other, "k"); return found, err },
		} {
			set()
			if found, err := miss(); found || err != nil {
				t.Errorf("%s, %s: found %v, %v", name, what, found, err)
			}
			if _, found, err := store.Get[v1](t.Context(), s, "k"); found || err != nil {
				t.Errorf("%s, %s: it was not dropped: %v, %v", name, what, found, err)
			}
			set()
			got, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, func(context.Context) (int, error) { return 7, nil })
			again, found, err2 := store.Get[int](t.Context(), s, "k")
			if got != 7 || again != 7 || !found || errors.Join(err, err2) != nil {
				t.Errorf("%s: %d, %d, %v, %v, %v", name, got, again, found, err, err2)
			}
		}
		if n := s.Stats().Damaged; n == 0 {
			t.Error("nothing was counted")
		}
	}
}

// upper is a Codec that is not JSON. broken makes it fail to read.
type upper struct{ broken *atomic.Bool }

func (upper) Marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return append([]byte("UP"), data...), err
}

func (u upper) Unmarshal(data []byte, v any) error {
	data, ok := bytes.CutPrefix(data, []byte("UP"))
	if !ok || u.broken != nil && u.broken.Load() {
		return errors.New("not mine")
	}
	return json.Unmarshal(data, v)
}

// What is of this type and cannot be read is an error of Get, once, and a miss for GetOrSet.
func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		codec := upper{new(atomic.Bool)}
		s := open(t, backend(), store.Config{Codec: codec})
		set := func() {
			t.Helper()
			if err := store.Set(t.Context(), s, "k", store.Options{}, row{ID: 1}); err != nil {
				t.Fatal(err)
			}
			codec.broken.Store(true)
		}
		set()
		if _, found, err := store.Get[row](t.Context(), s, "k"); found || err == nil || !strings.Contains(err.Error(), "not mine") {
			t.Errorf("%s: found %v, %v", name, found, err)
		}
		if _, found, err := store.Get[row](t.Context(), s, "k"); found || err != nil {
			t.Errorf("%s: it was not dropped: %v, %v", name, found, err)
		}
		codec.broken.Store(false)
		set()
		loads := 0
		got, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, func(context.Context) (row, error) {
			loads++
			codec.broken.Store(false)
			return row{ID: 2}, nil
		})
		if got.ID != 2 || err != nil || loads != 1 {
			t.Errorf("%s: %v, %v after %d loads", name, got, err, loads)
		}
		if got, found, err := store.Get[row](t.Context(), s, "k"); got.ID != 2 || !found || err != nil {
			t.Errorf("%s: %v, %v, %v", name, got, found, err)
		}
	}
}

// Immutable: all get the same form.
func TestImmutable(t *testing.T) {
	t.Parallel()
	s := open(t, memstore.New(memstore.Config{}), store.Config{})
	get := func(immutable bool) []string {
		got, err := store.GetOrSet(t.Context(), s, "k", store.Options{Immutable: immutable}, func(context.Context) ([]string, error) {
			return []string{"a"}, nil
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	get(true)
	one, two := get(true), get(true)
	if &one[0] != &two[0] {
		t.Error("two forms of an immutable value")
	}
	// Who has not said so gets a copy, also of a value that others share.
	mine := get(false)
	mine[0] = "changed"
	if one[0] != "a" || get(true)[0] != "a" {
		t.Error("a copy is not one")
	}
}

// versioned is one type that writes two forms.
type versioned struct {
	upper

	version string
}

func (v versioned) Name() string { return "versioned/" + v.version }

func TestACodecNamesItself(t *testing.T) {
	t.Parallel()
	b := memstore.New(memstore.Config{})
	one := open(t, b, store.Config{Codec: versioned{version: "1"}})
	same := store.New(b, store.Config{Codec: &versioned{version: "1"}}) // shares the backend, as the next one does
	two := store.New(b, store.Config{Codec: versioned{version: "2"}})
	if err := store.Set(t.Context(), one, "k", store.Options{}, row{ID: 7}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		s     *store.Store
		found bool
	}{{one, true}, {same, true}, {two, false}} {
		if got, found, err := store.Get[row](t.Context(), want.s, "k"); found != want.found || err != nil {
			t.Errorf("%+v, %v, %v", got, found, err)
		}
	}
}

// explodes panics when it is told to.
type explodes struct{ now *atomic.Bool }

func (explodes) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

func (e explodes) Unmarshal(data []byte, v any) error {
	if e.now.Load() {
		panic("in Unmarshal")
	}
	return json.Unmarshal(data, v)
}

// A codec that panics on a hit is a value that cannot be read: a miss, and the value is dropped.
func TestACodecPanicsOnAHit(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		explode := new(atomic.Bool)
		s := open(t, backend(), store.Config{Codec: explodes{explode}})
		loads := 0
		for i := range 4 {
			explode.Store(i == 2)
			got, err := store.GetOrSet(t.Context(), s, "k", store.Options{}, func(context.Context) (row, error) {
				explode.Store(false)
				loads++
				return row{ID: loads}, nil
			})
			if want := 1 + i/2; err != nil || got.ID != want || loads != want {
				t.Errorf("%s, %d: %v, %v after %d loads", name, i, got, err, loads)
			}
		}
	}
}
