package growth_test

import (
	"math/rand/v2"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// collected is what the collector has done so far.
type collected struct{ cpu, all, cycles float64 }

// collector reads the runtime's own account. What idle processors did for the collector is no cost and is left out.
func collector() collected {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/cpu/classes/user:cpu-seconds"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	gc := samples[0].Value.Float64() - samples[1].Value.Float64()
	return collected{gc, gc + samples[2].Value.Float64(), float64(samples[3].Value.Uint64())}
}

func collectorByPages(t *testing.T, p plan, b *book) {
	t.Helper()
	forced := b.open("gc-forced", "pages", "heap", "a collection that is asked for", "processor time of one")
	steady := b.open("gc-steady", "pages", "collections in a million requests", "processor time for the collector, each request", "share of all", "p99.9 of a request")
	for _, n := range p.live {
		s := newSite(t, output.For(time.Hour).Tag("page:{id}"), 256)
		s.fill(n)
		size := heap()
		wall, cpu := make([]float64, 5), make([]float64, 5)
		for i := range wall {
			before, began := collector(), time.Now()
			runtime.GC()
			wall[i], cpu[i] = float64(time.Since(began)), (collector().cpu-before.cpu)*1e9
		}
		forced.row(count(n), number(size/(1<<20))+" MiB", ns(median(wall)), ns(median(cpu)))

		runtime.GC()
		before := collector()
		slow := s.load(max(n, 1), p.requests)
		runtime.GC() // the account is written at the end of a collection
		after := collector()
		cycles, spent := after.cycles-before.cycles-1, after.cpu-before.cpu-median(cpu)/1e9
		requests := float64(p.requests)
		steady.row(count(n), number(cycles/requests*1e6), ns(max(0, spent)/requests*1e9),
			number(100*max(0, spent)/(after.all-before.all))+" %", ns(slow))
		s.close()
	}
}

// load asks for any of n pages, as a server does: with a request of its own each time, and headers to write to. One in a
// hundred is evicted before, and made anew. It returns the slowest of a thousand requests, in nanoseconds.
func (s *site) load(n, requests int) float64 {
	took := make([]float64, requests)
	template := s.visitor()
	for i := range requests {
		path := pagePath(rand.IntN(n))
		if i%100 == 0 {
			if err := s.cache.Outputs().EvictPath(s.t.Context(), path); err != nil {
				s.t.Fatal(err)
			}
		}
		began := time.Now()
		v := &visitor{site: s, r: template.r.Clone(s.t.Context()), header: make(http.Header, 8)}
		v.get(path)
		took[i] = float64(time.Since(began))
	}
	slices.Sort(took)
	return took[requests-1-requests/1000]
}
