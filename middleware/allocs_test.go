package middleware_test

import (
	"testing"
)

// TestHitAllocatesNothing asserts the cost of a hit in allocations exactly, whatever the body's size: c.Blob's own one, which
// the bare route has, is not there on a hit.
func TestHitAllocatesNothing(t *testing.T) {
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
		if hit != 0 || floor != 1 {
			t.Errorf("%s: %v allocations a hit, %v without a cache; want 0 and 1", name, hit, floor)
		}
		if *ran != 1 {
			t.Errorf("%s: the handler ran %d times", name, *ran)
		}
	}
}

// A hit whose client takes the compressed form costs no allocation, and nor does one under something that may encode.
func TestCompressedHitAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	cached, _, ran := hitPath(t, keyed.Compress(), 64<<10)
	r, w := benchRequest(t), newBenchWriter()
	r.Header.Set("Accept-Encoding", "br;q=0.9, gzip")
	hit := func() { w.reset(); cached.ServeHTTP(w, r) }
	hit()
	hit()
	if n := testing.AllocsPerRun(200, hit); n != 0 || w.bytes > 1<<10 || w.header.Get("Content-Encoding") != "gzip" || *ran != 1 {
		t.Errorf("%v allocations, %d bytes, %d runs, %v", n, w.bytes, *ran, w.header)
	}
	outside := []string{"Accept-Encoding"}
	encoded := func() { w.reset(); w.header["Vary"] = outside; cached.ServeHTTP(w, r) }
	if n := testing.AllocsPerRun(200, encoded); n != 0 || w.bytes != 64<<10 {
		t.Errorf("under an encoder: %v allocations, %d bytes", n, w.bytes)
	}
}
