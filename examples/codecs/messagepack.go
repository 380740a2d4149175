package codecs

import "github.com/vmihailenco/msgpack/v5"

// MessagePack is shorter than JSON and faster to read. Like JSON it keeps exported fields only; a time comes back as the
// same instant in the local zone. The zero value is ready to use.
type MessagePack struct{}

// Marshal is part of store.Codec.
func (MessagePack) Marshal(v any) ([]byte, error) { return msgpack.Marshal(v) }

// Unmarshal is part of store.Codec.
func (MessagePack) Unmarshal(data []byte, v any) error { return msgpack.Unmarshal(data, v) }
