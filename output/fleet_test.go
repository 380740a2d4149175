package output_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/internal/fakes"
	"github.com/echocache/echocache/internal/fleet"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

var collapsing = output.For(time.Minute).CollapseFleet()

// instances are n caches over one backend, with one handler.
func instances(t *testing.T, n int, b store.Backend, h http.HandlerFunc) []*page {
	t.Helper()
	all := make([]*page, n)
	for i := range all {
		all[i] = serve(t, output.Config{Store: store.New(b, store.Config{})}, collapsing, h)
	}
	return all
}

// crowds sends each instance requests requests at once, and returns how often handlers ran.
func crowds(t *testing.T, all []*page, requests int) (runs int64) {
	t.Helper()
	var group sync.WaitGroup
	for _, p := range all {
		group.Go(func() { wantAll(t, p.crowd(requests, always)) })
	}
	group.Wait()
	for _, p := range all {
		runs += p.runs.Load()
	}
	return runs
}

func TestFleetRunsTheHandlerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		all := instances(t, 4, b, slow(50*time.Millisecond))
		began := time.Now()
		if runs := crowds(t, all, 200); runs != 1 {
			t.Errorf("%d handler runs", runs)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		var misses, collapsed uint64
		for _, p := range all {
			s := p.cache.Stats()
			misses, collapsed = misses+s.Misses, collapsed+s.Collapsed
			if s.Waiting != 0 {
				t.Errorf("%d still wait", s.Waiting)
			}
		}
		if misses != 1 || collapsed != 799 {
			t.Errorf("%d misses, %d collapsed", misses, collapsed)
		}
		if b.Held() != 0 {
			t.Error("the claim was not given up")
		}
	})
}

// What comes of waiting looks as it does within one process.
func TestFleetSaysCollapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := instances(t, 2, fakes.NewFleet(), slow(50*time.Millisecond))
		go all[0].get(t.Context())
		synctest.Wait()
		a := all[1].get(t.Context())
		if got := a.Header().Get("Cache-Status"); !strings.HasPrefix(got, "echocache; fwd=uri-miss; collapsed; ttl=") {
			t.Errorf("Cache-Status %q", got)
		}
		if a.Header().Get("Age") != "0" {
			t.Errorf("Age %q", a.Header().Get("Age"))
		}
	})
}

func TestFleetOutlivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		b.CrashedUntil = time.Now().Add(fleet.Lease)
		began := time.Now()
		if runs := crowds(t, instances(t, 4, b, slow(50*time.Millisecond)), 50); runs != 1 {
			t.Errorf("%d handler runs", runs)
		}
		if took := time.Since(began); took > fleet.Patience {
			t.Errorf("it took %s", took)
		}
	})
}

// One instance hangs in its handler. The others take over when its lease ends, and its own late answer does no harm.
func TestFleetDoesNotHangWithOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		var first atomic.Bool
		all := instances(t, 4, b, func(w http.ResponseWriter, r *http.Request) {
			if first.CompareAndSwap(false, true) {
				slow(20*time.Second)(w, r)
				return
			}
			slow(50*time.Millisecond)(w, r)
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			all[0].get(context.Background())
		}()
		synctest.Wait()
		began := time.Now()
		if runs := crowds(t, all[1:], 50); runs != 1 {
			t.Errorf("%d handler runs besides the one that hangs", runs)
		}
		if took := time.Since(began); took < fleet.Lease || took > fleet.Patience {
			t.Errorf("it took %s", took)
		}
		<-done
	})
}

// A handler that is slower than the lease runs once in each instance, at most.
func TestFleetWaitsNoLongerThanItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if runs := crowds(t, instances(t, 4, fakes.NewFleet(), slow(10*time.Second)), 50); runs > 4 {
			t.Errorf("%d handler runs", runs)
		}
		if took := time.Since(began); took > 10*time.Second+fleet.Patience {
			t.Errorf("it took %s", took)
		}
	})
}

func TestFleetWithoutClaimsWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		b.Err = errors.New("down")
		began := time.Now()
		if runs := crowds(t, instances(t, 4, b, slow(50*time.Millisecond)), 50); runs != 4 {
			t.Errorf("%d handler runs", runs)
		}
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// Whoever fills what cannot be kept lets the others go as soon as that is known.
func TestFleetDoesNotWaitForWhatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := instances(t, 2, fakes.NewFleet(), func(w http.ResponseWriter, r *http.Request) {
			output.Current(r.Context()).NoStore()
			slow(50*time.Millisecond)(w, r)
		})
		began := time.Now()
		crowds(t, all, 1)
		if took := time.Since(began); took > 150*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// The one who waits for the others leaves, and somebody else of its process goes on.
func TestFleetLosesAWaitingLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := instances(t, 2, fakes.NewFleet(), slow(100*time.Millisecond))
		go all[0].get(t.Context())
		synctest.Wait()
		leader, leave := context.WithCancel(t.Context())
		go all[1].get(leader)
		synctest.Wait()
		time.AfterFunc(20*time.Millisecond, leave)
		began := time.Now()
		wantAll(t, all[1].crowd(50, always))
		if n := all[1].runs.Load(); n != 0 {
			t.Errorf("%d handler runs", n)
		}
		if took := time.Since(began); took > 150*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

func TestFleetIsOnlyAskedIfThePolicySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakes.NewFleet()
		p := serve(t, output.Config{Store: store.New(b, store.Config{})}, output.For(time.Minute), slow(time.Millisecond))
		p.get(t.Context())
		if b.Claims() != 0 {
			t.Errorf("%d claims", b.Claims())
		}
		// It selects no page: the same entry is a hit under the policy that collapses.
		q := serve(t, output.Config{Store: store.New(b, store.Config{})}, collapsing, slow(time.Millisecond))
		if got := q.get(t.Context()).Header().Get("Cache-Status"); !strings.Contains(got, "; hit") {
			t.Errorf("Cache-Status %q", got)
		}
		if got := collapsing.String(); got != "For(1m0s).CollapseFleet()" {
			t.Errorf("it is shown as %s", got)
		}
	})
}

// An eviction beats the fill that the others wait for: they get what is made after it.
func TestI1_FleetLooksAgainAfterAnEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text atomic.Value
		text.Store("old")
		all := instances(t, 2, fakes.NewFleet(), func(w http.ResponseWriter, _ *http.Request) {
			said := text.Load().(string)
			time.Sleep(50 * time.Millisecond)
			_, _ = io.WriteString(w, said)
		})
		go all[0].get(t.Context())
		synctest.Wait()
		text.Store("new")
		if err := all[0].cache.EvictAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := all[1].get(t.Context()).Body.String(); got != "new" {
			t.Errorf("%q was answered after the eviction", got)
		}
	})
}

// One who waits finds the page, it is evicted, and somebody joins the one who has found it: before it looks for the last
// time, or after.
func TestI1_FleetDoesNotHandOutWhatItsWaitersSawEvicted(t *testing.T) {
	for _, moment := range []string{"fleet", "fleet found"} {
		t.Run(moment, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { evictedAt(t, moment) })
		})
	}
}

func evictedAt(t *testing.T, moment string) {
	t.Helper()
	b := fakes.NewFleet()
	b.CrashedUntil = time.Now().Add(time.Hour)
	var text atomic.Value
	text.Store("old")
	h := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text.Load().(string)) }
	p := instances(t, 1, b, h)[0]
	other := serve(t, output.Config{Store: store.New(b, store.Config{})}, output.For(time.Minute), h)
	late := make(chan *httptest.ResponseRecorder, 1)
	p.cache.SetYield(func(point string) {
		if point != moment {
			return
		}
		p.cache.SetYield(nil)
		text.Store("new")
		if err := other.cache.EvictAll(context.Background()); err != nil {
			t.Error(err)
		}
		go func() { late <- p.get(context.Background()) }()
		synctest.Wait()
	})
	go p.get(t.Context())
	time.Sleep(100 * time.Millisecond)
	other.get(t.Context())
	select {
	case a := <-late:
		if got := a.Body.String(); got != "new" {
			t.Errorf("%q was answered after the eviction", got)
		}
	case <-time.After(time.Minute):
		t.Error("the one who waited has not found the page")
	}
}
