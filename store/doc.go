// Package store keeps bytes under keys and forgets them by tag.
//
// A [Backend] is what a driver implements: memory (package memstore) now, others beside it. A [Store] is the portable
// type over a Backend that the rest of the toolkit talks to.
//
// The one promise everything else stands on is the fence. A look-up hands out the [Fence] as it stood before the
// caller computes a value; storing the value carries that fence back; an eviction of any of the value's tags in
// between wins, whatever the order in which the two arrive:
//
//	found, _ := backend.Lookup(ctx, key)       // a miss: found[0].Record == nil
//	value := compute()                         // meanwhile somebody may evict "product:7"
//	verdict, _ := backend.Store(ctx, key, store.Record{
//		Value: value, Tags: []string{"product:7"}, TTL: time.Minute, Fence: found[0].Fence,
//	})
//	// verdict is store.Fenced if they did, and the value is not kept.
//
// The package does not talk HTTP and does not know what a page is.
package store
