package faults_test

import (
	"context"
	"errors"
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
	slots       = 50
	originTime  = 20 * time.Millisecond
	originPages = 1000
	instances   = 3
	maxFills    = 16 // at once, in each instance
	originRate  = 2800
)

// origin is what is behind all instances, and cannot take more than it can.
type origin struct {
	slots        chan struct{}
	atOnce, peak atomic.Int64 // requests that it works on, or that wait for it
	asked        atomic.Int64
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
func fleet(t *testing.T, server *testredis.Server, o http.Handler, offline time.Duration) []http.Handler {
	t.Helper()
	all := make([]http.Handler, instances)
	for i := range all {
		client := redis.NewUniversalClient(redisstore.Options(server.Addr()))
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
				path := fmt.Sprint("/", rand.IntN(originPages))
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

// When Redis dies under warm caches, the origin is not asked for more at once than it was told to be, and everybody is
// answered. With OfflineFor it is hardly asked at all.
func TestTheOriginSurvives(t *testing.T) {
	for _, offline := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("OfflineFor ", offline), func(t *testing.T) {
			server := testredis.Start(t)
			o := &origin{slots: make(chan struct{}, slots)}
			instances := fleet(t, server, o, offline)
			var all sync.WaitGroup
			for i := range 32 { // warm: every page in Redis, and in the memory of all
				all.Go(func() {
					for n := i; n < originPages; n += 32 {
						for range 2 { // a second time for those that were refused a place
							for _, in := range instances {
								in.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, fmt.Sprint("/", n), http.NoBody))
							}
						}
					}
				})
			}
			all.Wait()
			o.peak.Store(0)
			for _, phase := range []string{"warm", "dying", "dead"} {
				o.asked.Store(0)
				if phase == "dying" {
					server.Stop()
				}
				answers, fromMemory := asked(instances, time.Second)
				wrong := 0
				for _, a := range answers {
					if a.wrong != "" {
						wrong++
						t.Log(a.wrong)
					}
				}
				t.Logf("%-5s %5d asked, %5d hits (%d offline), %d wrong; p50 %v, p99 %v; the origin was asked %d times, at most %d at once",
					phase, len(answers), hits(answers), fromMemory, wrong, percentile(answers, 50).Round(time.Microsecond),
					percentile(answers, 99).Round(time.Microsecond), o.asked.Load(), o.peak.Load())
				if wrong > 0 || len(answers) == 0 {
					t.Errorf("%s: %d of %d answers are wrong", phase, wrong, len(answers))
				}
				if phase == "dead" && offline > 0 && fromMemory < len(answers)*9/10 {
					t.Errorf("%d of %d answers came from memory", fromMemory, len(answers))
				}
			}
			if peak := o.peak.Load(); peak > maxFills*int64(len(instances)) {
				t.Errorf("%d requests at the origin at once, %d instances may fill %d each", peak, len(instances), maxFills)
			}
		})
	}
}
