// Package soak checks the promise of the caches (I-1) from outside, over a real Redis and a network that fails, for as long
// as it is let:
//
//	go test ./internal/soak -run Soak -v -soak=60s
//
// It consists of tests only. A fleet of instances as they would be deployed, each behind a proxy of its own, reads,
// fills, writes and evicts at once, while connections break and the server hangs, forgets and starts anew. Every answer is
// judged against what had been confirmed before it was asked for. Variants that are broken on purpose show that the
// judge would notice.
//
// A server may have a replica, which is promoted again and again, with writes that it never heard of. While there are two
// masters at once no promise holds, and what is stale then is counted.
//
// It does not check clusters: they are the affair of package redisstore's own tests.
package soak
