module github.com/echocache/echocache/examples/codecs

go 1.26.0

replace github.com/echocache/echocache => ../..

require (
	github.com/echocache/echocache v0.0.0
	github.com/vmihailenco/msgpack/v5 v5.4.1
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/patrickmn/go-cache v2.1.0+incompatible // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
)
