package middleware_test

import (
	"testing"
)

// TestHitAllocatesOneClosure asserts the cost of a hit in allocations exactly: Echo builds the chain of middleware anew
// for every request, and so makes one closure for each. The cache itself allocates nothing, whatever the body's size.
func TestHitAllocatesOneClosure(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	for name, size := range map[string]int{"1 KiB": 1 << 10, "64 KiB": 64 << 10} {
		cached, bare, ran := hitPath(t, keyed, size)
		r, w := benchRequest(t), newBenchWriter()
		measure := func(serve func()) float64 {
			serve()
			return testing.AllocsPerRun(200, serve)
		}
		hit := measure(func() { w.reset(); cached.ServeHTTP(w, r) })
		floor := measure(func() { w.reset(); bare.ServeHTTP(w, r) })
		if hit != 1 || floor != 1 { // c.Blob's own one is not there on a hit
			t.Errorf("%s: %v allocations a hit, %v without a cache; want 1 and 1", name, hit, floor)
		}
		if *ran != 1 {
			t.Errorf("%s: the handler ran %d times", name, *ran)
		}
	}
}
