package codecs_test

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/echocache/echocache/examples/codecs"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

type product struct {
	ID    int64    `msgpack:"id"`
	Name  string   `msgpack:"name"`
	Tags  []string `msgpack:"tags"`
	Price int64    `msgpack:"price"`
}

func ExampleMessagePack() {
	s := store.New(memstore.New(memstore.Config{}), store.Config{Codec: codecs.MessagePack{}})
	defer s.Close()

	load := func(context.Context) (product, error) {
		fmt.Println("loaded")
		return product{ID: 7, Name: "Kestrel", Tags: []string{"new"}, Price: 1999}, nil
	}
	for range 2 {
		p, err := store.GetOrSet(context.Background(), s, "product:7", store.For(time.Minute, "product:7"), load)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.Name, p.Tags)
		p.Tags[0] = "changed" // the caller's own copy
	}
	// Output:
	// loaded
	// Kestrel [new]
	// Kestrel [new]
}

func ExampleProtobuf() {
	messages := store.New(memstore.New(memstore.Config{}), store.Config{Codec: codecs.Protobuf{}})
	defer messages.Close()

	load := func(context.Context) (*structpb.Struct, error) {
		fmt.Println("loaded")
		return structpb.NewStruct(map[string]any{"name": "Kestrel"})
	}
	for range 2 {
		p, err := store.GetOrSet(context.Background(), messages, "product:7", store.For(time.Minute, "product:7"), load)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.GetFields()["name"].GetStringValue())
		p.Fields["name"] = structpb.NewStringValue("changed") // the caller's own copy
	}
	// Output:
	// loaded
	// Kestrel
	// Kestrel
}
