// Package memstore keeps records in the memory of this process: patrickmn/go-cache in shards, with what go-cache lacks.
//
//	backend := memstore.New(memstore.Config{MaxBytes: 64 << 20})
//	defer backend.Close()
//	found, _ := backend.Lookup(ctx, "product:7") // a miss, with the fence for the fill that begins now
//	backend.Store(ctx, "product:7", store.Record{
//		Value: []byte("seven"), Tags: []string{"catalog"}, TTL: time.Minute, Fence: found[0].Fence,
//	})
//	backend.Evict(ctx, "catalog") // forgotten, and fills under way with it
//
// What is added to go-cache:
//
//   - Fences. An eviction writes down its tags with a tick of a logical clock, and whoever meets a record compares.
//     So it costs the same whether ten records carry the tag or a million, and it beats every fill begun before it.
//   - A front. go-cache counts its readers in a lock, so two processors that read the same are slower than one. What is
//     in use is found in a table before it, and such a hit writes to no memory that is shared.
//   - A byte budget. Keys, values, tags, decoded forms, bookkeeping and the fences themselves count. What has to go is
//     chosen by SIEVE, which costs a hit one bit, and that only once.
//   - Its own expiry, by the monotonic clock: setting the wall clock changes nothing. Time during which the machine
//     is suspended does not count.
//   - A sweeper that ends at Close and never holds a lock for more than a few hundred records.
//
// The package does not share anything with other processes: an eviction here is an eviction here. For several
// instances put it in front of a shared backend.
package memstore
