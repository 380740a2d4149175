package store

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Codec turns values into bytes and back. Unmarshal is given a pointer to a zero value of the type that Marshal was
// given. Both may be called concurrently, must not keep what they are given, and must not return bytes that change
// later. What one codec has written no other one reads: they are told apart by their types, or, where the same type
// writes different forms, by a method Name() string.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// jsonCodec is the Codec where Config names none.
type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

// kind is a type of values as one store keeps it. Values themselves are passed as pointers in an any, so that what is
// not generic need not be written for each type.
type kind struct {
	// id tells what a stored value is: its type, the shape of it, and the codec. Another id is another value.
	id [8]byte
	// plain: a copy shares nothing that anybody could change, so one decoded form does for all.
	plain  bool
	encode func(p any) ([]byte, error)
	decode func(data []byte) (p any, err error)
}

// kindOf returns the kind of T, made once a store.
func kindOf[T any](s *Store) *kind {
	t := reflect.TypeFor[T]()
	if k, ok := s.kinds.Load(t); ok {
		return k.(*kind) //nolint:errcheck // nothing else is stored
	}
	k, _ := s.kinds.LoadOrStore(t, newKind[T](t, s.config.Codec))
	return k.(*kind) //nolint:errcheck // nothing else is stored
}

func newKind[T any](t reflect.Type, codec Codec) *kind {
	k := &kind{plain: isPlain(t)}
	name := codecName(codec)
	switch {
	case t == reflect.TypeFor[[]byte]():
		name, k.encode, k.decode = "raw", encodeBytes, decodeBytes
	case t == reflect.TypeFor[string]():
		name, k.encode, k.decode = "raw", encodeString, decodeString
	case isBinary(t):
		name = "binary"
		k.encode, k.decode = encodeBinary[T], decodeBinary[T]
	default:
		k.encode = func(p any) ([]byte, error) { return codec.Marshal(*p.(*T)) } //nolint:errcheck // all are *T
		k.decode = func(data []byte) (any, error) {
			p := new(T)
			return p, codec.Unmarshal(data, p)
		}
		if _, is := codec.(jsonCodec); is && invisible(t) {
			k.encode = func(any) ([]byte, error) {
				return nil, fmt.Errorf("%s has no exported field, so JSON would keep nothing of it", t)
			}
		}
	}
	decode := k.decode
	k.decode = func(data []byte) (p any, err error) {
		defer func() {
			if r := recover(); r != nil {
				p, err = nil, fmt.Errorf("decoding panicked: %v", r)
			}
		}()
		return decode(data)
	}
	sum := sha256.New()
	_, _ = io.WriteString(sum, name+"\x00") // a hash never fails
	describe(sum, t, nil)
	copy(k.id[:], sum.Sum(nil))
	return k
}

// codecName tells codecs apart: by the name that one gives itself, else by its type.
func codecName(c Codec) string {
	if named, ok := c.(interface{ Name() string }); ok {
		return "named " + named.Name()
	}
	t := reflect.TypeOf(c)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() + "." + t.String()
}

//nolint:errcheck // all are *[]byte
func encodeBytes(p any) ([]byte, error) { return bytes.Clone(*p.(*[]byte)), nil }

func decodeBytes(data []byte) (any, error) {
	b := make([]byte, len(data)) // never nil, not even of nothing
	copy(b, data)
	return &b, nil
}

//nolint:errcheck // all are *string
func encodeString(p any) ([]byte, error) { return []byte(*p.(*string)), nil }

func decodeString(data []byte) (any, error) {
	s := string(data)
	return &s, nil
}

var (
	binaryMarshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
	jsonMarshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler     = reflect.TypeFor[encoding.TextMarshaler]()
)

// isBinary reports whether values of t can say themselves in bytes, and read them again. t may be a pointer.
func isBinary(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	if t.Kind() != reflect.Pointer {
		t = reflect.PointerTo(t)
	}
	return t.Implements(binaryMarshaler) && t.Implements(binaryUnmarshaler)
}

// encodeBinary writes a byte that says whether a pointer is nil before what the value says of itself.
func encodeBinary[T any](p any) ([]byte, error) {
	v := reflect.ValueOf(p)
	if v.Elem().Kind() == reflect.Pointer {
		if v = v.Elem(); v.IsNil() {
			return []byte{0}, nil
		}
	}
	data, err := v.Interface().(encoding.BinaryMarshaler).MarshalBinary() //nolint:errcheck // isBinary has seen to it
	return append([]byte{1}, data...), err
}

func decodeBinary[T any](data []byte) (any, error) {
	p := new(T)
	if len(data) == 0 || data[0] > 1 {
		return p, errors.New("not a binary value")
	}
	if data[0] == 0 {
		return p, nil
	}
	v := reflect.ValueOf(p)
	if v.Elem().Kind() == reflect.Pointer {
		v.Elem().Set(reflect.New(v.Elem().Type().Elem()))
		v = v.Elem()
	}
	u := v.Interface().(encoding.BinaryUnmarshaler) //nolint:errcheck // isBinary has seen to it
	return p, u.UnmarshalBinary(bytes.Clone(data[1:]))
}

// isPlain reports whether a copy of a value of t shares nothing with it that can be changed.
func isPlain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return true // its pointer is to a location, which nobody can change
		}
		for f := range t.Fields() {
			if !isPlain(f.Type) {
				return false
			}
		}
		return true
	case reflect.Array:
		return isPlain(t.Elem())
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	default:
		return true
	}
}

// invisible reports whether JSON sees nothing of a struct that has something in it.
func invisible(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || marshalsItself(t) {
		return false
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && f.Tag.Get("json") != "-" && (!f.Anonymous || f.Type.Kind() != reflect.Struct) {
			return false
		}
	}
	return true
}

func marshalsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonMarshaler) || p.Implements(textMarshaler)
}

// describe writes down everything of a type on which its encoded form depends, so that a value of the release before,
// whose struct had other fields, is not taken for one of this. What it has begun to describe it only names.
func describe(w io.Writer, t reflect.Type, above []reflect.Type) {
	fmt.Fprintf(w, "%s.%s/%s", t.PkgPath(), t.Name(), t.Kind())
	if slices.Contains(above, t) {
		return
	}
	above = append(above, t)
	switch t.Kind() {
	case reflect.Struct:
		io.WriteString(w, "{") //nolint:errcheck // a hash never fails
		for f := range t.Fields() {
			fmt.Fprintf(w, "%q %q %v ", f.Name, strings.TrimSpace(string(f.Tag)), f.Anonymous)
			describe(w, f.Type, above)
		}
		io.WriteString(w, "}") //nolint:errcheck // a hash never fails
	case reflect.Pointer, reflect.Slice:
		describe(w, t.Elem(), above)
	case reflect.Array:
		fmt.Fprintf(w, "[%d]", t.Len())
		describe(w, t.Elem(), above)
	case reflect.Map:
		describe(w, t.Key(), above)
		describe(w, t.Elem(), above)
	default:
	}
}
