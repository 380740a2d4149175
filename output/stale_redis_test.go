package output_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/output"
)

// until asks p until its answer has all of these in it; what begins with "!" it must not have.
func (p *page) until(t *testing.T, has ...string) {
	t.Helper()
	last := ""
	for over := time.Now().Add(10 * time.Second); time.Now().Before(over); time.Sleep(5 * time.Millisecond) {
		last = p.told(t)
		right := true
		for _, text := range has {
			text, not := strings.CutPrefix(text, "!")
			right = right && strings.Contains(last, text) != not
		}
		if right {
			return
		}
	}
	t.Fatalf("no answer with %q; the last one was %q", has, last)
}

// Two instances over a real Redis, with and without memory in front of it: a page that one has made is stale at both, one
// of them makes it anew for both, it stands in for a handler that fails, and when it was evicted at one it is gone at both.
func TestStaleThroughRedis(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	for name, wrap := range overRedis {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int64
			var fails atomic.Bool
			h := func(w http.ResponseWriter, _ *http.Request) {
				if n := runs.Add(1); fails.Load() {
					w.WriteHeader(http.StatusBadGateway)
				} else {
					_, _ = fmt.Fprint(w, "run ", n)
				}
			}
			instances := func(namespace string, p output.Policy) (one, two *page) {
				open := func() *page {
					return serve(t, output.Config{Store: redisStore(t, server, namespace+name, wrap)}, p, h)
				}
				return open(), open()
			}

			one, two := instances("revalidate-", output.For(time.Second).Jitter(0).StaleWhileRevalidate(time.Hour).CollapseFleet())
			one.until(t, "200 run 1, ", "stored")
			two.until(t, "200 run 1, ", "hit; ttl=")
			one.until(t, "200 run ", "hit; ttl=-")                 // and a refresh
			two.until(t, "200 run ", "!200 run 1, ", "hit; ttl=0") // which two sees

			runs.Store(0)
			one, two = instances("instead-", output.For(time.Second).Jitter(0).Tag("page").StaleIfError(time.Hour))
			one.until(t, "200 run 1, ", "stored")
			two.until(t, "200 run 1, ", "hit; ttl=")
			fails.Store(true)
			one.until(t, "200 run 1, ", "fwd=stale; fwd-status=502; ttl=-")
			two.until(t, "200 run 1, ", "ttl=-")
			if err := one.cache.Evict(t.Context(), "page"); err != nil {
				t.Fatal(err)
			}
			for _, p := range []*page{one, two} {
				if got := p.told(t); !strings.HasPrefix(got, "502 ") {
					t.Errorf("after the eviction: %s", got)
				}
			}
		})
	}
}
