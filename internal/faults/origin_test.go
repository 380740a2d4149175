package faults_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/tiered"
)

// The origin: so many requests at once, each so long. What is more waits.
const (
	slots      = 50
	originTime = 20 * time.Millisecond
	instances  = 3
	maxFills   = 16 // at once, in each instance
	originRate = 2800
)

var originPages = flag.Int("origin-pages", 2000, "how many pages are warm when Redis dies under a fleet")

// origin is what is behind all instances, and cannot take more than it can.
type origin struct {
	slots        chan struct{}
	atOnce, peak atomic.Int64 // requests that it works on, or that wait for it
	asked        atomic.Int64
	warming      atomic.Bool // it takes no time
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.warming.Load() {
		_, _ = fmt.Fprint(w, r.URL.Path)
		return
	}
	o.asked.Add(1)
	n := o.atOnce.Add(1)
	defer o.atOnce.Add(-1)
	for is := o.peak.Load(); n > is && !o.peak.CompareAndSwap(is, n); is = o.peak.Load() {
	}
	o.slots <- struct{}{}
	time.Sleep(originTime)
	<-o.slots
	_, _ = fmt.Fprint(w, r.URL.Path)
}

// fleet returns instances of an application, each with memory in front of a guarded Redis.
func fleet(t *testing.T, redisAt func() *redis.UniversalOptions, o http.Handler, offline time.Duration) []http.Handler {
	t.Helper()
	all := make([]http.Handler, instances)
	for i := range all {
		client := redis.NewUniversalClient(redisAt())
		guard := breaker.New(redisstore.New(client, redisstore.Config{Namespace: "origin"}), breaker.Config{})
		backend := tiered.New(memstore.New(memstore.Config{}), guard, tiered.Config{OfflineFor: offline})
		entries := store.New(backend, store.Config{Namespace: "origin"})
		cache, err := output.New(output.Config{Store: entries, MaxFills: maxFills})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = errors.Join(cache.Close(), entries.Close(), client.Close()) })
		all[i] = cache.Handler(output.For(time.Hour).Public(), o)
	}
	return all
}

// asked asks the fleet for random pages for a while.
func asked(fleet []http.Handler, d time.Duration) (answers []answer, offline int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	const step = 5 * time.Millisecond
	for next := time.Now(); ctx.Err() == nil; next = next.Add(step) {
		time.Sleep(time.Until(next))
		for range originRate * int(step/time.Millisecond) / 1000 {
			all.Go(func() {
				path := fmt.Sprint("/", rand.IntN(*originPages))
				r, w, began := httptest.NewRequest(http.MethodGet, path, http.NoBody), httptest.NewRecorder(), time.Now()
				fleet[rand.IntN(len(fleet))].ServeHTTP(w, r)
				a, status := answer{took: time.Since(began)}, w.Header().Get("Cache-Status")
				a.hit = strings.Contains(status, "; hit")
				if w.Code != http.StatusOK || w.Body.String() != path {
					a.wrong = fmt.Sprint(w.Code, " ", w.Body)
				}
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, a)
				if strings.Contains(status, "detail=offline") {
					offline++
				}
			})
		}
	}
	all.Wait()
	return answers, offline
}

// phase is a part of a test, and what happens at its beginning.
type phase struct {
	name    string
	lasts   time.Duration
	happens func()
	offline bool // memory answers, if it may
	until   int  // it is repeated until so many answers of a hundred are hits
}

// repeated is how often a phase may be repeated: filling again takes a while on a busy machine.
const repeated = 15

// When Redis dies under warm caches, the origin is not asked for more at once than it was told to be, and everybody is
// answered. With OfflineFor it is hardly asked at all.
func TestTheOriginSurvives(t *testing.T) {
	for _, offline := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("OfflineFor ", offline), func(t *testing.T) {
			server := testredis.Start(t)
			at := func() *redis.UniversalOptions { return redisstore.Options(server.Addr()) }
			survive(t, at, offline, []phase{
				{name: "warm", lasts: time.Second},
				{name: "dying", lasts: time.Second, happens: server.Stop},
				{name: "dead", lasts: time.Second, offline: true},
			})
		})
	}
}

// The same when sentinels make a replica the master. It knows of no page, for nobody can say what it has not heard of, so
// that all that is asked for then has to be made anew.
func TestTheOriginSurvivesAFailover(t *testing.T) {
	for _, offline := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("OfflineFor ", offline), func(t *testing.T) {
			g := testredis.StartSentinels(t)
			old := g.Master()
			at := func() *redis.UniversalOptions {
				o := redisstore.Options(g.Addrs()...)
				o.MasterName = testredis.MasterName
				return o
			}
			survive(t, at, offline, []phase{
				{name: "warm", lasts: time.Second},
				{name: "dying", lasts: time.Second, happens: old.Stop},
				{name: "new master", lasts: 2 * time.Second, happens: func() { g.AwaitFailover(old) }},
				{name: "later", lasts: 2 * time.Second, until: 25},
			})
		})
	}
}

// survive lets phases happen to a warm fleet.
func survive(t *testing.T, at func() *redis.UniversalOptions, offline time.Duration, phases []phase) {
	t.Helper()
	o := &origin{slots: make(chan struct{}, slots)}
	instances := fleet(t, at, o, offline)
	warm(o, instances)
	for _, p := range phases {
		if p.happens != nil {
			p.happens()
		}
		for again := 0; ; again++ {
			answers, fromMemory := p.pass(t, o, instances)
			if p.offline && offline > 0 && fromMemory < len(answers)*9/10 {
				t.Errorf("%d of %d answers came from memory", fromMemory, len(answers))
			}
			if hits(answers) >= len(answers)*p.until/100 {
				break
			}
			if again == repeated {
				t.Errorf("%s: %d of %d answers are hits", p.name, hits(answers), len(answers))
				break
			}
		}
	}
}

// pass lets a phase pass under load, and prints what became of it.
func (p phase) pass(t *testing.T, o *origin, instances []http.Handler) (answers []answer, fromMemory int) {
	t.Helper()
	o.asked.Store(0)
	o.peak.Store(0)
	answers, fromMemory = asked(instances, p.lasts)
	wrong := 0
	for _, a := range answers {
		if a.wrong != "" {
			wrong++
			t.Log(a.wrong)
		}
	}
	t.Logf("%-10s %5d asked, %5d hits (%d offline), %d wrong; p50 %v, p99 %v; the origin was asked %d times, at most %d at once",
		p.name, len(answers), hits(answers), fromMemory, wrong, percentile(answers, 50).Round(time.Microsecond),
		percentile(answers, 99).Round(time.Microsecond), o.asked.Load(), o.peak.Load())
	if wrong > 0 || len(answers) == 0 {
		t.Errorf("%s: %d of %d answers are wrong", p.name, wrong, len(answers))
	}
	if peak := o.peak.Load(); peak > maxFills*int64(len(instances)) {
		t.Errorf("%s: %d requests at the origin at once, %d instances may fill %d each", p.name, peak, len(instances), maxFills)
	}
	return answers, fromMemory
}

// warm brings every page into Redis, and into the memory of all instances.
func warm(o *origin, instances []http.Handler) {
	o.warming.Store(true)
	defer o.warming.Store(false)
	const workers = 8 // so that none is refused a place
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			for n := i; n < *originPages; n += workers {
				for _, in := range instances {
					for try := range 500 { // again where it could not be kept
						if try > 1 {
							time.Sleep(5 * time.Millisecond)
						}
						w := httptest.NewRecorder()
						in.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprint("/", n), http.NoBody))
						if strings.Contains(w.Header().Get("Cache-Status"), "; hit") {
							break
						}
					}
				}
			}
		})
	}
	all.Wait()
}
