package report

// What the tables of values say beside their figures: what is asked, and what the caches do and do not do. bench/peers_test.go
// and TestSharing hold it to the sources.
const (
	valuesIntro = "## `GetOrSet` beside loading caches\n\n" +
		"A hit of `store.GetOrSet` beside the loading caches of other modules (`cd bench && GOWORK=off go test -bench .`). Every cache keeps its\n" +
		"values for an hour, and has room for more than it is given. The value is a struct of ten fields, given and returned by value. Ours has one\n" +
		"tag a value; go-redis/cache is its local TinyLFU alone, without Redis. Ratios above 1 = slower than ours.\n\n"

	onePlain = "### One key, a struct that can be copied by assignment\n\n" +
		"No cache has anything to copy but the struct itself, and go-redis/cache decodes it all the same.\n\n"

	oneSlice = "### One key, a struct with a slice\n\n" +
		"Ratios to `Immutable`, because that is what otter, theine and sturdyc do: everybody gets the same slice, and must not change it. The two\n" +
		"other rows of ours (JSON as it comes, and a MessagePack codec) and go-redis/cache give each caller a copy.\n\n"

	manyKeys = "### 10,000 keys, some asked for much more often\n\n" +
		"All are there, and have been found once before. They are drawn as a Zipf distribution with exponent 1.1 has it. Each call makes the closure\n" +
		"that would load its key, where the cache wants one: ours and sturdyc do.\n\n"

	valuesEnd = `### What is compared with what

| | callers share what can be changed | tags | a value evicted while it is loaded is not kept | limit |
|---|---|---|---|---|
| echocache | no, unless ` + "`Immutable`" + ` | yes | yes | bytes |
| otter | yes | no | yes | values, or weights of the caller's |
| theine | yes | no | yes: a deletion waits for the load, as does all else in its shard | values, or weights of the caller's |
| sturdyc | yes | no | no | values |
| go-redis/cache | no | no | no | values |

The peers have what this store does not: policies that choose well what to keep when there is no room (otter, theine), keys of other types
(otter, theine), batches gathered from several calls (sturdyc). If one process, values that nobody changes, and no eviction by tag are all
there is to it, take otter. A struct with a slice or a pointer is copied for each caller, by JSON unless another codec is given
(` + "`examples/codecs`" + ` has two); it is the price of callers that cannot disturb each other, and ` + "`Options.Immutable`" + ` takes nearly all of it away. All of
these are far below a query.

`
)
