// Package growth holds the measurements of what a cache costs as it grows: more pages, variants, tags, waiters, records. It
// has no code of its own:
//
//	make growth                     # at full size; writes the tables of docs/SCALING.md
//	go test ./internal/growth       # at a hundredth of it, and writes nothing
//
// A curve is measured against its own first point, in rounds in which the two take turns, so that another load on the
// machine falls on both. Every answer is looked at, and how often handlers ran is counted.
//
// The package does not compare with other caches, and measures nothing over HTTP; that is in the module bench.
package growth
