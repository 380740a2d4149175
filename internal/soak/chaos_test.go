package soak_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/echocache/echocache/internal/testredis"
)

// faults counts what was injected.
type faults struct {
	mu    sync.Mutex
	count map[string]int
}

func (f *faults) note(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[string]int{}
	}
	f.count[name]++
}

func (f *faults) total() (n int, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f.count)) {
		n += f.count[name]
		parts = append(parts, fmt.Sprint(name, " ", f.count[name]))
	}
	return n, strings.Join(parts, ", ")
}

// fault is one kind. It returns when it is healed.
type fault struct {
	name   string
	weight int
	inject func(ctx context.Context)
}

// between returns a time between two.
func between(least, most time.Duration) time.Duration { return least + rand.N(most-least+1) }

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// trouble injects faults, one after the other and with a time of rest between them, until ctx ends. Then all are healed.
func (w *world) trouble(ctx context.Context, where string, least, most time.Duration, list []fault) {
	total := 0
	for _, f := range list {
		total += f.weight
	}
	for sleep(ctx, between(least, most)); ctx.Err() == nil; sleep(ctx, between(least, most)) {
		n := rand.IntN(total)
		for _, f := range list {
			if n -= f.weight; n < 0 {
				w.faults.note(f.name)
				w.diary.note("%s: %s", where, f.name)
				f.inject(ctx)
				w.diary.note("%s: end of %s", where, f.name)
				break
			}
		}
	}
}

// networkFaults are those of one instance's way to the server.
func networkFaults(p *proxy) []fault {
	return []fault{
		{"delay", 4, func(ctx context.Context) {
			was := p.slow.Swap(int64(59 * time.Millisecond))
			sleep(ctx, between(50*time.Millisecond, 500*time.Millisecond))
			p.slow.Store(was)
		}},
		{"reset", 3, func(context.Context) { p.cut(true) }},
		{"cut", 2, func(ctx context.Context) {
			p.refuses.Store(true)
			p.cut(false)
			sleep(ctx, between(0, 200*time.Millisecond))
			p.refuses.Store(false)
		}},
		{"black hole", 3, func(ctx context.Context) {
			end := p.swallow()
			sleep(ctx, between(20*time.Millisecond, 600*time.Millisecond))
			if rand.IntN(3) == 0 {
				p.cut(true) // what it held is lost instead of late
			}
			end()
		}},
	}
}

// serverFaults are those of the server, and of its replica if it has one.
func (w *world) serverFaults() []fault {
	do := func(args ...string) func(context.Context) {
		return func(context.Context) { w.command(args...) }
	}
	key := func(kind string) func(context.Context) {
		return func(context.Context) {
			w.command("DEL", fmt.Sprintf("{%s:%d}:%s", namespace, rand.IntN(shards), kind))
		}
	}
	all := []fault{
		{"stop", 3, func(ctx context.Context) {
			w.server.Pause()
			sleep(ctx, between(50*time.Millisecond, 550*time.Millisecond))
			w.server.Resume()
		}},
		{"FLUSHALL", 3, do("FLUSHALL")},
		{"DEL clock", 3, key("m")},
		{"DEL table", 3, key("z")},
		{"SCRIPT FLUSH", 2, do("SCRIPT", "FLUSH")},
		{"no memory", 2, func(ctx context.Context) {
			w.command("CONFIG", "SET", "maxmemory", "1")
			sleep(ctx, between(50*time.Millisecond, 300*time.Millisecond))
			w.command("CONFIG", "SET", "maxmemory", "256mb")
		}},
		{"restart", 1, func(context.Context) { w.server.Restart() }},
		{"old copy", 2, w.oldCopy},
	}
	if w.replica != nil {
		all = append(all, fault{"failover", 5, w.failover})
	}
	return all
}

// oldCopy has the server start again with what it had a while ago: evictions since then are not in it.
func (w *world) oldCopy(ctx context.Context) {
	w.command("SAVE")
	sleep(ctx, between(100*time.Millisecond, 600*time.Millisecond))
	w.server.Restart()
}

// failover ends the master after the replica has ceased to hear from it, and goes on with the replica: what the master
// confirmed meanwhile is lost. The old master comes back, possibly with an old copy, as the replica of the new one.
func (w *world) failover(ctx context.Context) {
	old, next := w.server, w.replica
	next.Forsake()
	sleep(ctx, between(20*time.Millisecond, 400*time.Millisecond))
	old.Stop()
	next.Promote()
	w.server, w.replica = next, old
	w.aim(next, w.instances...)
	old.Restart()
	old.Follow(next)
}

// aim has instances go to a server from now on.
func (w *world) aim(at *testredis.Server, these ...*instance) {
	for _, i := range these {
		i.proxy.aim(at.Addr())
		i.proxy.cut(true)
	}
}

// command says something to the server behind everybody's back. It is not paused then.
func (w *world) command(args ...string) {
	if _, err := w.server.Do(args...); err != nil {
		w.fault(badError, "%q: %v", args, err)
	}
}

// chaos injects faults everywhere until ctx ends, and heals them.
func (w *world) chaos(ctx context.Context) {
	var all sync.WaitGroup
	server := w.serverFaults()
	if w.only != "" {
		server = slices.DeleteFunc(server, func(f fault) bool { return f.name != w.only })
		w.trouble(ctx, "server", 200*time.Millisecond, time.Second, server)
		return
	}
	all.Go(func() { w.trouble(ctx, "server", 200*time.Millisecond, time.Second, server) })
	for _, i := range w.instances {
		all.Go(func() { w.trouble(ctx, i.name, 300*time.Millisecond, 2500*time.Millisecond, networkFaults(i.proxy)) })
	}
	all.Wait()
}
