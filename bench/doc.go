// Package bench compares us with the caches of other modules. It is a module of its own, so that nobody who uses the cache
// needs them, and is never released.
//
// The program in compare measures pages, in process, over HTTP, on Redis and in a stampede, and writes
// docs/BENCHMARKS.md; `make bench` runs it. The benchmarks here compare store.GetOrSet with loading caches; the program
// runs them, too, and so can you:
//
//	cd bench && GOWORK=off go test -bench . -benchmem
//
// A single run says little on a machine that has other work. Run it several times and compare the ratios within each
// run. What each module does and does not do stands beside its constructor in peers_test.go, and for pages in
// internal/target: a hit of a cache that hands everybody the same slice is a different thing from one that copies it.
//
// The package does not measure misses, memory or hit rates under pressure.
package bench
