package security_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// node is one process of an application under attack.
type node struct {
	*process

	echo   *echo.Echo
	server *httptest.Server
	cache  *echocache.Cache // nil if it is not ours
}

// scene is one case at work: what was asked so far, and what came of it.
type scene struct {
	tb      testing.TB
	attack  *attack
	kind    kind
	app     *app
	stand   *stand
	nodes   []*node // the last is the one that is asked
	answers [][]answer
	calls   []map[string]int
	heap    int64 // by how much the heap has grown at most
	closers []func()
}

// seals are the keys of a case that wants entries sealed.
func (a *attack) seals() [][]byte {
	if a.cached()[0].Cache.Seal == "" {
		return nil
	}
	return [][]byte{[]byte(strings.Repeat("k", 32))}
}

// start starts a process with the cache.
func (s *scene) start(x *app, keys [][]byte) *node {
	s.tb.Helper()
	n := &node{process: s.stand.open(keys)}
	status := output.StatusFull
	if shown := s.attack.cached()[0].Cache.Debug; shown != nil && !*shown {
		status = output.StatusOff
	}
	entries := store.New(spy{n.backend, s.stand.held, s.attack.heavy()}, store.Config{Namespace: s.stand.namespace})
	outputs, err := output.New(output.Config{Store: entries, Status: status, Logger: s.stand.log.logger(), Patience: failsafe})
	if err != nil {
		s.tb.Fatal(err)
	}
	config := echocache.Config{Cache: outputs}
	if s.kind.identified {
		config.User = user
	}
	if n.cache, err = echocache.New(config); err != nil {
		s.tb.Fatal(err)
	}
	n.echo = x.serve(honest{s.kind, n.cache}, s.kind.who(s.attack), s.stand.log)
	n.server = quiet(n.echo)
	s.nodes = append(s.nodes, n)
	s.closers = append(s.closers, n.server.Close, func() { _ = n.cache.Close() })
	return n
}

// quiet is a server that does not write to the terminal.
func quiet(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = silence
	s.Start()
	return s
}

func (s *scene) close() {
	for _, c := range s.closers {
		c()
	}
}

// play runs a case and returns what is wrong.
func (s *scene) play(inject *forgery) []string {
	defer s.close()
	var stop func() int64
	if s.attack.heavy() {
		defer limitHeap(s.attack)()
		stop = watchHeap()
	}
	for i, r := range s.attack.Requests {
		s.before(i, r, inject)
		s.answers = append(s.answers, s.ask(r))
		s.calls = append(s.calls, s.app.soFar())
	}
	s.app.asked.Wait()
	if stop != nil {
		s.heap = stop()
	}
	return s.judge()
}

// before does what has to happen before a request.
func (s *scene) before(i int, r ask, inject *forgery) {
	if r.Wait != "" {
		s.app.asked.Wait()
	}
	switch r.Fault {
	case "":
	case "redis down": // and when it is back it has forgotten nothing but what has happened since
		s.stand.server.Must("SAVE")
		s.stand.server.Stop()
	case "redis back":
		s.stand.server.Restart()
	default:
		s.tb.Fatalf("%s: fault %q is not known", s.attack.ID, r.Fault)
	}
	if s.attack.Setup.Inject == "Redis down, so that errors are logged" && i == 0 {
		if s.stand.server != nil {
			s.stand.server.Stop()
		}
	}
	if inject != nil && i == len(s.attack.Requests)-1 {
		s.inject(inject)
	}
}

// inject rewrites what stands at the server, and has another process asked, which has none of it in its memory.
func (s *scene) inject(f *forgery) {
	if f.make == nil { // another's process, which has the address of the server and not the key
		evil := *s.attack
		evil.Setup.Routes = []*route{{
			Method: "GET", Path: "/p", Cache: s.attack.cached()[0].Cache, Handler: handler{Body: "evil"},
		}}
		other := s.start(newApp(s.tb, &evil), nil)
		if a := send(other.server.Listener.Addr().String(), s.attack.Requests[0], 0, func() {}); a.body != "evil" {
			s.tb.Fatalf("%s: the forger got %q", s.attack.ID, a.body)
		}
	} else {
		records := s.stand.records()
		if len(records) != 1 {
			s.tb.Fatalf("%s: %d records at the server", s.attack.ID, len(records))
		}
		for name, text := range records {
			s.stand.put(name, f.make(text))
		}
	}
	s.start(s.app, s.attack.seals())
}

// ask sends a request as often and in the way that the case says.
func (s *scene) ask(r ask) []answer {
	n := s.nodes[len(s.nodes)-1]
	addr := n.server.Listener.Addr().String()
	switch {
	case r.Disconnect != "":
		s.app.leaving.Store(true)
		if err := leave(addr, r, s.app.entered); err != nil {
			s.tb.Errorf("%s: %v", s.attack.ID, err)
		}
		s.app.leaving.Store(false)
		return nil
	case r.Parallel > 0:
		all := make([]answer, r.Parallel)
		s.app.expected.Store(int64(r.Parallel))
		var done sync.WaitGroup
		for i := range all {
			done.Go(func() { all[i] = send(addr, r, i, func() {}) })
		}
		done.Wait()
		return all
	case r.Repeat > 0:
		all := make([]answer, 0, 8)
		s.flood(n, s.attack.often(r.Repeat), r.Repeat)
		for i := range s.attack.often(r.Repeat) {
			a := within(n.echo, r, i)
			if i < 4 {
				all = append(all, a)
			}
		}
		return all
	case s.aged():
		return []answer{s.awaitAge(addr, r)}
	default:
		return []answer{send(addr, r, 0, s.app.hear)}
	}
}

// flood evicts by the thousand what the everyday run does not evict one by one: the tags are as many, and as different.
func (s *scene) flood(n *node, from, to int) {
	if s.attack.Setup.Writer == nil {
		return
	}
	for from < to {
		var tags []string
		for ; from < to && len(tags) < 1000; from++ {
			tags = append(tags, "item:"+strconv.Itoa(from))
		}
		if err := n.cache.Outputs().Evict(s.tb.Context(), tags...); err != nil {
			s.tb.Fatalf("%s: %v", s.attack.ID, err)
		}
	}
}

// aged reports whether the next request is about the time that has passed.
func (s *scene) aged() bool {
	for _, e := range s.attack.Expect {
		if e.HeaderMatches["Age"] != "" && e.Req == len(s.answers)+1 {
			return true
		}
	}
	return false
}

// awaitAge asks again and again until the answer is older than it was.
func (s *scene) awaitAge(addr string, r ask) (a answer) {
	s.stand.until("a second", func() bool {
		a = send(addr, r, 0, func() {})
		return a.err != nil || a.header.Get("Age") != "0"
	})
	return a
}

// limitHeap does what an operator does who has so much memory and no more: the budget of the store bounds what lives, and
// GOMEMLIMIT how much garbage the collector lets lie beside it.
func limitHeap(a *attack) (restore func()) {
	most := int64(0)
	for _, e := range a.Expect {
		most = max(most, e.HeapBytes)
	}
	if most == 0 {
		return func() {}
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + most*3/4)
	return func() { debug.SetMemoryLimit(before) }
}

// watchHeap measures by how much the objects on the heap become more, until stop.
func watchHeap() (stop func() int64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before, most := read(), int64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				most = max(most, read()-before)
			}
		}
	}()
	return func() int64 {
		close(done)
		<-ended
		return most
	}
}

// twin asks the same application without a cache.
func (s *scene) twin(r ask, i int) answer {
	x := newApp(s.tb, s.attack)
	server := quiet(x.serve(bare{}, s.kind.who(s.attack), s.stand.log))
	defer server.Close()
	return send(server.Listener.Addr().String(), r, i, x.hear)
}
