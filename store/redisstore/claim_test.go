package redisstore_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/fleet"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// claim claims a key and wants to get it, or not.
func claim(tb testing.TB, f store.Fleet, lease time.Duration, want bool) (release func()) {
	tb.Helper()
	release, held, err := f.Claim(context.Background(), "k", lease)
	if err != nil || held != want {
		tb.Fatalf("held %v (%v), want %v", held, err, want)
	}
	return release
}

func TestClaim(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	ns := namespace()
	a := open(t, dial(t, server), redisstore.Config{Namespace: ns})
	b := open(t, dial(t, server), redisstore.Config{Namespace: ns})

	release := claim(t, a, time.Minute, true)
	claim(t, b, time.Minute, false)
	claim(t, a, time.Minute, false)
	if keys := server.Must("KEYS", "{"+ns+":0}:l:*"); strings.Count(keys, ":l:") != 1 {
		t.Errorf("claims at the server: %q", keys)
	}
	release()
	eventually(t, that(func() bool { return server.Must("KEYS", "{"+ns+":0}:l:*") == "" }))

	// One that is over is another's, and is not given up by who had it before.
	release = claim(t, a, 20*time.Millisecond, true)
	time.Sleep(40 * time.Millisecond)
	claim(t, b, time.Minute, true)
	release()
	eventually(t, that(func() bool { return a.Info().Overran == 1 }))
	claim(t, a, time.Minute, false)
	if i := a.Info(); i.Claimed != 2 || i.Waited != 2 {
		t.Errorf("%d claimed, %d waited", i.Claimed, i.Waited)
	}
	if _, held, err := a.Claim(t.Context(), "l", 0); held || err == nil {
		t.Error("a claim without a lease")
	}
	_ = a.Close()
	if _, held, err := a.Claim(t.Context(), "l", time.Minute); held || err == nil {
		t.Error("a claim after Close")
	}
}

var errNotYet = errors.New("not yet")

func that(ok func() bool) func() error {
	return func() error {
		if !ok() {
			return errNotYet
		}
		return nil
	}
}

// On a cluster a claim lies in the slot of its record.
func TestClaimOnACluster(t *testing.T) {
	t.Parallel()
	nodes := testredis.StartCluster(t, 3)
	s := open(t, patientClient(t, nodes...), redisstore.Config{})
	release := claim(t, s, time.Minute, true)
	claim(t, s, time.Minute, false)
	release()
	eventually(t, that(func() bool {
		release, held, err := s.Claim(t.Context(), "k", time.Minute)
		if held {
			release()
		}
		return held && err == nil
	}))
}

func TestClaimOfAServerThatIsGone(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s := open(t, dial(t, server), redisstore.Config{})
	claim(t, s, time.Minute, true)
	server.Stop()
	if _, held, err := s.Claim(t.Context(), "l", time.Minute); held || err == nil {
		t.Errorf("held %v, %v", held, err)
	}
}

// member is one process of several.
type member struct {
	values *store.Store
	pages  http.Handler
	runs   atomic.Int64
}

// fleetOf starts n of them on one server: the whole chain, each with a client of its own.
func fleetOf(tb testing.TB, server *testredis.Server, n int, work func(i int, in *member)) []*member {
	tb.Helper()
	all := make([]*member, n)
	ns := namespace()
	for i := range all {
		remote := redisstore.New(patientClient(tb, server), patient(redisstore.Config{Namespace: ns}))
		guarded := breaker.New(remote, breaker.Config{
			LookupTimeout: 5 * time.Second, StoreTimeout: 5 * time.Second, EvictTimeout: 5 * time.Second,
		})
		in := &member{values: store.New(tiered.New(memstore.New(memstore.Config{}), guarded, tiered.Config{}), store.Config{Namespace: ns})}
		cache, err := output.New(output.Config{Store: in.values})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			_ = cache.Close()
			_ = in.values.Close()
		})
		in.pages = cache.Handler(output.For(time.Minute).CollapseFleet(), http.HandlerFunc(
			func(w http.ResponseWriter, _ *http.Request) {
				work(i, in)
				_, _ = w.Write([]byte("page"))
			}))
		all[i] = in
	}
	return all
}

func (in *member) page(tb testing.TB) {
	tb.Helper()
	w := httptest.NewRecorder()
	in.pages.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/page", http.NoBody))
	if w.Code != http.StatusOK || w.Body.String() != "page" {
		tb.Errorf("%d %q", w.Code, w.Body)
	}
}

func (in *member) value(tb testing.TB, work func()) {
	tb.Helper()
	v, err := store.GetOrSet(context.Background(), in.values, "k", store.Options{CollapseFleet: true},
		func(context.Context) (string, error) {
			work()
			return "value", nil
		})
	if v != "value" || err != nil {
		tb.Errorf("%q, %v", v, err)
	}
}

// crowd has each process asked by many at once, and returns how often there was work and how long the slowest took.
func crowd(all []*member, callers int, ask func(i int, in *member)) (runs int64, took time.Duration) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i, in := range all {
		for range callers {
			group.Go(func() {
				<-start
				ask(i, in)
			})
		}
	}
	began := time.Now()
	close(start)
	group.Wait()
	took = time.Since(began)
	for _, in := range all {
		runs += in.runs.Load()
	}
	return runs, took
}

const handlerTakes = 50 * time.Millisecond

func TestFleetOfFourRunsTheHandlerOnce(t *testing.T) {
	t.Parallel()
	work := func(_ int, in *member) {
		in.runs.Add(1)
		time.Sleep(handlerTakes)
	}
	all := fleetOf(t, testredis.Start(t), 4, work)
	runs, took := crowd(all, 200, func(_ int, in *member) { in.page(t) })
	if runs != 1 {
		t.Errorf("%d handler runs", runs)
	}
	t.Logf("pages: %d handler runs for 800 requests, the slowest took %s", runs, took)

	runs, took = crowd(all, 200, func(i int, in *member) { in.value(t, func() { work(i, in) }) })
	if runs != 2 {
		t.Errorf("%d loads", runs-1)
	}
	t.Logf("values: %d loads for 800 calls, the slowest took %s", runs-1, took)
}

// One process hangs while it fills. It costs the others its lease.
func TestFleetOfFourWithOneThatHangs(t *testing.T) {
	t.Parallel()
	hung, end := make(chan struct{}), make(chan struct{})
	all := fleetOf(t, testredis.Start(t), 4, func(i int, in *member) {
		if i == 0 {
			close(hung)
			<-end
			return
		}
		in.runs.Add(1)
		time.Sleep(handlerTakes)
	})
	var group sync.WaitGroup
	group.Go(func() { all[0].page(t) })
	<-hung
	runs, took := crowd(all[1:], 200, func(_ int, in *member) { in.page(t) })
	if runs != 1 {
		t.Errorf("%d handler runs besides the one that hangs", runs)
	}
	if took > fleet.Patience+5*time.Second {
		t.Errorf("it took %s", took)
	}
	t.Logf("%d handler runs for 600 requests, the slowest took %s", runs, took)
	close(end)
	group.Wait()
}

// Without the server, and with the breaker open, nobody waits for anybody.
func TestFleetOfFourWithoutAServer(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	all := fleetOf(t, server, 4, func(_ int, in *member) { in.runs.Add(1) })
	all[0].page(t)
	server.Stop()
	for round := range 10 { // the breakers open after five failures
		_, took := crowd(all, 1, func(_ int, in *member) { in.value(t, func() {}) })
		if took >= fleet.Lease {
			t.Errorf("round %d took %s", round, took)
		}
	}
	if _, took := crowd(all, 20, func(_ int, in *member) { in.page(t) }); took >= fleet.Lease {
		t.Errorf("pages took %s", took)
	}
}
