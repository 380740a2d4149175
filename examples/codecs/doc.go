// Package codecs shows two codecs for the values of a store, to be copied: MessagePack, and Protocol Buffers for those
// who have messages anyway. It is an example, a module of its own, and is never released.
//
//	s := store.New(memstore.New(memstore.Config{}), store.Config{Codec: codecs.MessagePack{}})
//
// A store has one codec for all its values, but for []byte, string and what implements encoding.BinaryMarshaler. What is
// kept says with which codec it was written: after a change of codec everything is loaded once more, and nothing is
// misread. The package does not compress, and does not encrypt.
package codecs
