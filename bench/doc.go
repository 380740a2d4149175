// Package bench compares store.GetOrSet with the loading caches of other modules. It is a module of its own, so that
// nobody who uses the cache needs them, and is never released.
//
//	cd bench && GOWORK=off go test -bench . -benchmem
//
// A single run says little on a machine that has other work. Run it several times and compare the ratios within each
// run; docs/BENCHMARKS.md has those of one machine. What each module does and does not do stands beside its
// constructor in peers_test.go: a hit of a cache that hands everybody the same slice is a different thing from one that
// copies it.
//
// The package does not measure misses, memory or hit rates under pressure.
package bench
