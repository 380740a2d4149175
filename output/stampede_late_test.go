package output_test

import (
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
)

// A request that looked before a fill ended, and that leads after it, finds the page when it looks again. It must free
// the key: whoever comes after the next eviction would wait for a fill that nobody makes.
func TestStampedeALateLeaderFreesItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute).Tag("a"), slow(0))
		var first atomic.Bool
		held := make(chan struct{})
		p.cache.SetYield(func(point string) {
			if point == "look-up" && !first.Swap(true) {
				<-held
			}
		})
		late := make(chan *httptest.ResponseRecorder)
		go func() { late <- p.get(t.Context()) }()
		synctest.Wait()
		wantAll(t, []*httptest.ResponseRecorder{p.get(t.Context())})
		close(held)
		wantAll(t, []*httptest.ResponseRecorder{<-late})
		if n := p.runs.Load(); n != 1 {
			t.Errorf("%d runs", n)
		}
		if err := p.cache.Evict(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		wantAll(t, []*httptest.ResponseRecorder{p.get(t.Context())})
		if took := time.Since(began); took > 0 {
			t.Errorf("the next one waited %v", took)
		}
	})
}
