package codecs

import (
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
)

// Protobuf is for values that are messages, which in Go are pointers: store.GetOrSet[*shop.Product]. Any other type is an
// error, so messages have a store of their own; it may be over the same backend. The zero value is ready to use.
type Protobuf struct{}

// What the first byte says. Without it a nil pointer and an empty message were the same: both have no bytes.
const (
	isNil byte = iota
	isMessage
)

// Marshal is part of store.Codec.
func (Protobuf) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("codecs: %T is not a message", v)
	}
	if !m.ProtoReflect().IsValid() {
		return []byte{isNil}, nil
	}
	return proto.MarshalOptions{}.MarshalAppend([]byte{isMessage}, m)
}

// Unmarshal is part of store.Codec. What was given to Marshal was a pointer, so v is a pointer to a nil pointer, and the
// message has to be made.
func (Protobuf) Unmarshal(data []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Pointer {
		return fmt.Errorf("codecs: %T is not a pointer to a pointer to a message", v)
	}
	target = target.Elem()
	made := reflect.New(target.Type().Elem())
	m, ok := reflect.TypeAssert[proto.Message](made)
	switch {
	case !ok:
		return fmt.Errorf("codecs: %s is not a message", target.Type())
	case len(data) == 0 || data[0] > isMessage:
		return errors.New("codecs: not written by this codec")
	case data[0] == isNil:
		target.SetZero()
		return nil
	}
	if err := proto.Unmarshal(data[1:], m); err != nil {
		return fmt.Errorf("codecs: read %s: %w", target.Type(), err)
	}
	target.Set(made)
	return nil
}
