package codecs_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/echocache/echocache/examples/codecs"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// twice keeps v in a store with the codec, and returns what the second caller gets, who must not have to load.
func twice[T any](t *testing.T, codec store.Codec, v T) T {
	t.Helper()
	s := store.New(memstore.New(memstore.Config{}), store.Config{Codec: codec})
	defer s.Close()
	loads := 0
	load := func(context.Context) (T, error) {
		loads++
		return v, nil
	}
	var got T
	for range 2 {
		var err error
		if got, err = store.GetOrSet(t.Context(), s, "key", store.For(time.Minute), load); err != nil {
			t.Fatal(err)
		}
	}
	if loads != 1 {
		t.Errorf("%d loads, want 1", loads)
	}
	return got
}

func TestMessagePackRoundTrip(t *testing.T) {
	t.Parallel()
	if got := twice[*product](t, codecs.MessagePack{}, nil); got != nil {
		t.Errorf("nil became %+v", got)
	}
	if got := twice(t, codecs.MessagePack{}, &product{}); got == nil || got.ID != 0 || got.Tags != nil {
		t.Errorf("an empty struct became %+v", got)
	}
	full := &product{ID: 7, Name: "Kestrel", Tags: []string{"new"}, Price: 1999}
	got := twice(t, codecs.MessagePack{}, full)
	if got == full || got.ID != 7 || got.Name != "Kestrel" || len(got.Tags) != 1 || got.Tags[0] != "new" || got.Price != 1999 {
		t.Errorf("got %+v, want a copy of %+v", got, full)
	}
}

func TestProtobufRoundTrip(t *testing.T) {
	t.Parallel()
	full, err := structpb.NewStruct(map[string]any{"name": "Kestrel", "tags": []any{"new", 1.5, nil}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		v    *structpb.Struct
	}{
		{"nil", nil},
		{"empty", &structpb.Struct{}},
		{"full", full},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := twice(t, codecs.Protobuf{}, tt.v)
			if (got == nil) != (tt.v == nil) || !proto.Equal(got, tt.v) {
				t.Errorf("got %v, want %v", got, tt.v)
			}
			if got != nil && got == tt.v {
				t.Error("got the very message that was loaded")
			}
		})
	}
	if got := twice(t, codecs.Protobuf{}, wrapperspb.String("Kestrel")); got.GetValue() != "Kestrel" {
		t.Errorf("got %v", got)
	}
}

// TestProtobufRefuses asks for what is not a message, and gives it what it did not write.
func TestProtobufRefuses(t *testing.T) {
	t.Parallel()
	c := codecs.Protobuf{}
	if _, err := c.Marshal(product{}); err == nil {
		t.Error("a struct was taken for a message")
	}
	if _, err := c.Marshal(nil); err == nil {
		t.Error("nil without a type was taken for a message")
	}
	var none *structpb.Struct
	for name, data := range map[string][]byte{"nothing": nil, "another first byte": {2}, "no message": {1, 0xff}} {
		if err := c.Unmarshal(data, &none); err == nil || none != nil {
			t.Errorf("%s: error %v, value %v", name, err, none)
		}
	}
	for name, target := range map[string]any{"a message": new(structpb.Struct), "no message": new(*int), "nil": nil} {
		if err := c.Unmarshal([]byte{1}, target); err == nil {
			t.Errorf("%s was read into", name)
		}
	}
}

// TestAnotherCodecIsAMiss reads, from one backend, what a store with another codec has written.
func TestAnotherCodecIsAMiss(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		written, asked store.Codec
	}{
		{"JSON, then MessagePack", nil, codecs.MessagePack{}},
		{"MessagePack, then JSON", codecs.MessagePack{}, nil},
		{"JSON, then Protobuf", nil, codecs.Protobuf{}},
		{"MessagePack, then Protobuf", codecs.MessagePack{}, codecs.Protobuf{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			backend := memstore.New(memstore.Config{})
			defer backend.Close()
			written := store.New(backend, store.Config{Codec: tt.written})
			asked := store.New(backend, store.Config{Codec: tt.asked})
			o := store.For(time.Minute)
			if err := store.Set(t.Context(), written, "key", o, wrapperspb.String("old")); err != nil {
				t.Fatal(err)
			}
			if _, found, err := store.Get[*wrapperspb.StringValue](t.Context(), written, "key"); err != nil || !found {
				t.Fatalf("with its own codec: found %t, %v", found, err)
			}
			got, err := store.GetOrSet(t.Context(), asked, "key", o, func(context.Context) (*wrapperspb.StringValue, error) {
				return wrapperspb.String("new"), nil
			})
			if err != nil || got.GetValue() != "new" {
				t.Errorf("got %v, %v: want it loaded anew", got, err)
			}
		})
	}
}
