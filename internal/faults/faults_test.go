package faults_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var faultSeconds = flag.Int("fault-seconds", 0, "how long each fault lasts, one after the other and with strict bounds")

var faultOnly = flag.String("fault-only", "", "only faults whose names contain this")

// brief is how long faults last that happen all at once.
const brief = 2 * time.Second

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // else the client writes a line for every connection that it cannot make
	os.Exit(m.Run())
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func lasting() time.Duration {
	if *faultSeconds > 0 {
		return time.Duration(*faultSeconds) * time.Second
	}
	return brief
}

// fault is one kind of trouble.
type fault struct {
	name    string
	tiered  bool
	pool    int
	server  []string // options of the server
	crowd   int      // callers at once, instead of a steady rate
	prepare func(*rig)
	begin   func(*rig) (heal func()) // nil: there is no cache at all

	slow   time.Duration // breaker.Config.SlowLookup
	alone  bool          // it would take too much from faults that happen at the same time
	calm   bool          // the breaker need not open
	begins time.Duration // how long it takes until there is a fault
	late   time.Duration // how much longer than others the first hit may take
	extra  time.Duration // that a request may take besides the handler's time, while the breaker stays closed
}

func noFault(*rig) func() { return func() {} }

func down(r *rig) func() { r.proxy.down(); return r.proxy.up }

func hole(r *rig) func() { r.proxy.hole.Store(true); return r.proxy.heal }

func paused(r *rig) func() { r.server.Pause(); return r.server.Resume }

func mute(r *rig) func() {
	r.proxy.hole.Store(true)
	r.proxy.cut()
	return r.proxy.heal
}

func slow(each time.Duration) func(*rig) func() {
	return func(r *rig) func() {
		r.proxy.delay.Store(int64(each))
		return func() { r.proxy.delay.Store(0) }
	}
}

func command(fault, heal string) func(*rig) func() {
	return func(r *rig) func() {
		r.server.Must(strings.Fields(fault)...)
		return func() { r.server.Must(strings.Fields(heal)...) }
	}
}

func cuts(r *rig) func() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-time.After(100 * time.Millisecond):
				r.proxy.cut()
			case <-stop:
				return
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// few is how many connections a small pool has.
const few = 2

// ballast is how many keys the server has to load, each with a delay.
const ballast = 2000

func loading(r *rig) func() {
	restarted := make(chan struct{})
	go func() { defer close(restarted); r.server.Restart() }()
	return func() { <-restarted }
}

// wayAndBack is what Redis costs at 20 ms each way. A page that has to be made waits for it twice: to look it up, and to
// say truly whether it was stored.
const wayAndBack = 45 * time.Millisecond

// tripOf20 is what a trip costs at 10 ms each way, with what a timer is late.
const tripOf20 = 25 * time.Millisecond

// together is what 200 cost each other that come at once.
const together = 15 * time.Millisecond

// restless is how much longer than others a breaker waits that has opened again and again.
const restless = time.Second

// faults are no cache, no fault, and then faults.
func faults() []fault {
	loadDelay := fmt.Sprint(lasting().Microseconds() / ballast)
	return []fault{
		{name: "no cache"},
		{name: "none", begin: noFault, calm: true},
		{name: "down", begin: down},
		{name: "down, tiered", begin: down, tiered: true},
		{name: "slow, 20 ms each way", begin: slow(20 * time.Millisecond), calm: true, extra: 2 * wayAndBack, late: restless},
		{name: "the same, with SlowLookup", begin: slow(20 * time.Millisecond), slow: 10 * time.Millisecond, late: restless},
		{name: "slow, 200 ms each way", begin: slow(200 * time.Millisecond)},
		{name: "black hole", begin: hole},
		{name: "black hole, tiered", begin: hole, tiered: true},
		{name: "paused", begin: paused},
		{name: "accepts, never answers", begin: mute},
		{name: "cut every 100 ms", begin: cuts, calm: true},
		{name: "READONLY", begin: command("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")},
		{
			name: "LOADING", begin: loading, begins: 200 * time.Millisecond,
			server: []string{
				"--enable-debug-command", "yes", "--key-load-delay", loadDelay,
				"--loading-process-events-interval-bytes", "1024",
			},
			prepare: func(r *rig) {
				r.server.Must("DEBUG", "POPULATE", fmt.Sprint(ballast), "ballast", "1024")
				r.server.Must("SAVE")
			},
		},
		{name: "OOM", begin: command("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 256mb"), calm: true},
		{name: "NOREPLICAS", begin: command("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0")},
		{name: "pool of 2, 200 at once", begin: noFault, calm: true, alone: true, pool: few, crowd: 200, extra: together},
		{
			name: "the same, 10 ms there", begin: slow(10 * time.Millisecond), calm: true, pool: few, crowd: 200,
			extra: 2*tripOf20 + together, // those who came first travel alone, the others when they are back
		},
	}
}

// TestFaults lets all of it happen, and prints what users noticed. It is not parallel, for what it measures is time.
func TestFaults(t *testing.T) {
	all := faults()
	all = append(all[:2:2], slices.DeleteFunc(all[2:], func(f fault) bool {
		return !strings.Contains(f.name, *faultOnly) || f.alone && *faultSeconds == 0
	})...)
	before := runtime.NumGoroutine()
	results := make([]*result, len(all))
	var work sync.WaitGroup
	for i, f := range all {
		r := newRig(t, f)
		if *faultSeconds == 0 {
			work.Go(func() { results[i] = measure(r, f) })
			continue
		}
		results[i] = measure(r, f)
		goroutinesEnd(t, f.name, before)
	}
	work.Wait()
	if slices.Contains(results, nil) {
		t.FailNow() // a server that could not be told has ended its row
	}
	t.Log("\n" + table(results))
	if results[1].opened != never {
		t.Log("TIMES ARE NOT JUDGED: this machine is so busy that the breaker opened where nothing was wrong")
	}
	for _, res := range results {
		t.Run(res.fault.name, func(t *testing.T) { res.judge(t, results[0], results[1]) })
	}
	goroutinesEnd(t, "all", before)
}

// goroutinesEnd insists that there are soon no more goroutines than before.
func goroutinesEnd(t *testing.T, after string, before int) {
	t.Helper()
	var now int
	for began := time.Now(); time.Since(began) < 2*time.Second; time.Sleep(10 * time.Millisecond) {
		if now = runtime.NumGoroutine(); now <= before {
			return
		}
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%s: %d goroutines before, %d after:\n%s", after, before, now, stacks[:runtime.Stack(stacks, true)])
}
