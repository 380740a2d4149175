package output_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// The histories of eviction_history_test.go leave the order of things to pauses. Here the test holds every request at
// every point of its way and decides who goes on: an eviction can fall between any two steps of any request.

// move is one decision in a schedule.
type move struct {
	Kind string
	Arg  int
}

// actor is a request or a writer of a schedule.
type actor struct {
	id, object int
	fails      bool  // its fill gives an answer that must not be stored
	breaks     bool  // its fill fails
	least      int64 // what was read earlier must not be shown to it
	left       bool
	refresh    *actor // the request in the background that it has set off, if any
	leave      context.CancelFunc
}

type actorKey struct{}

// held is an actor at a point where the stage holds it.
type held struct {
	actor int
	point string
	on    chan struct{}
}

// stage is an application with its cache while a schedule runs. Time is counted in ticks. A handler reads the database
// when it is let go and shows the tick of its reading; that is the oracle of I-1: whoever arrives after an eviction was
// confirmed must not be shown a tick from before that eviction began.
type stage struct {
	cache   *output.Cache
	handler http.Handler

	mu      sync.Mutex
	actors  []*actor
	held    []*held
	running int // the actor that was let go last
	open    int // actors that have not ended
	tick    int64
	evicted [objects]int64 // the tick at which the last confirmed eviction began
	keys    [objects]string
	dropped map[string]bool
	filling [objects]int
	runs    [objects]int
	crowded bool            // two handlers at once for one key
	fenced  int             // evictions and deletions begun
	passed  time.Duration   // how much time
	seen    map[string]bool // what Cache-Status said
	broken  atomic.Bool     // a handler has failed
	tail    int             // for how many seconds a page may be shown when it is stale
	wrong   []string
}

// who returns the actor in ctx. A request in the background is one of its own.
func (s *stage) who(ctx context.Context) *actor {
	a := ctx.Value(actorKey{}).(*actor)
	if !output.Refreshing(ctx) {
		return a
	}
	s.locked(func() {
		if a.refresh == nil {
			a.refresh = &actor{id: len(s.actors), object: a.object, fails: a.fails, breaks: a.breaks, leave: func() {}}
			s.actors = append(s.actors, a.refresh)
		}
		a = a.refresh
	})
	return a
}

// locked runs f under the lock. Only one actor is let go at a time, but an ended flight wakes all its waiters.
func (s *stage) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stage) fault(format string, args ...any) {
	s.locked(func() { s.wrong = append(s.wrong, fmt.Sprintf(format, args...)) })
}

// hold keeps the calling actor at point until the schedule lets it go. Those who are held stand in the order of their
// numbers, so that a schedule means the same each time.
func (s *stage) hold(id int, point string) {
	h := &held{id, point, make(chan struct{})}
	s.locked(func() {
		i, _ := slices.BinarySearchFunc(s.held, id, func(h *held, id int) int { return h.actor - id })
		s.held = slices.Insert(s.held, i, h)
	})
	<-h.on
}

// goOn lets one of those who are held go, and waits until everybody is held again, waits for another, or has ended.
func (s *stage) goOn(n int) bool {
	synctest.Wait()
	var h *held
	s.locked(func() {
		if len(s.held) > 0 {
			i := n % len(s.held)
			h = s.held[i]
			s.held = slices.Delete(s.held, i, i+1)
			s.running = h.actor
		}
	})
	if h == nil {
		return false
	}
	close(h.on)
	synctest.Wait()
	return true
}

// stops are where one who hurries may come to a halt; "" is nowhere.
var stops = []string{"", "after the look-up", "in the handler", "fill", "seal", "store"}

// hurry lets one of those who are held go on until it comes to stop, waits for another, or has ended.
func (s *stage) hurry(n int, stop string) {
	for n >= 0 && s.goOn(n) {
		n = -1
		s.locked(func() {
			n = slices.IndexFunc(s.held, func(h *held) bool { return h.actor == s.running && h.point != stop })
		})
	}
}

// staged holds whoever asks a backend.
type staged struct {
	store.Backend

	s *stage
}

func (b staged) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	a := b.s.who(ctx)
	b.s.hold(a.id, "before the look-up")
	found, err := b.Backend.Lookup(ctx, keys...)
	b.s.locked(func() {
		b.s.keys[a.object] = keys[0]
		if err == nil && b.s.dropped[keys[0]] {
			found[0].Record, found[0].Left = nil, 0
		}
	})
	b.s.hold(a.id, "after the look-up")
	return found, err
}

func (b staged) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	verdict, err := b.Backend.Store(ctx, key, r)
	b.s.locked(func() { delete(b.s.dropped, key) })
	return verdict, err
}

func (b staged) Evict(ctx context.Context, tags ...string) error {
	a := b.s.who(ctx)
	b.s.hold(a.id, "before the eviction")
	err := b.Backend.Evict(ctx, tags...)
	b.s.hold(a.id, "after the eviction")
	return err
}

// stagedLocal answers from memory besides, without a halt.
type stagedLocal struct {
	staged
	store.Local
}

// show is the handler.
func (s *stage) show(w http.ResponseWriter, r *http.Request) {
	a := s.who(r.Context())
	s.locked(func() {
		s.filling[a.object]++
		s.runs[a.object]++
		s.crowded = s.crowded || s.filling[a.object] > 1
	})
	defer s.locked(func() { s.filling[a.object]-- })
	s.hold(a.id, "before the database")
	var read int64
	s.locked(func() { s.tick++; read = s.tick })
	s.hold(a.id, "in the handler")
	output.Current(r.Context()).Tag("late:" + r.PathValue("id"))
	if a.breaks {
		s.broken.Store(true)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if a.fails {
		w.Header().Set("Cache-Control", "no-store")
	}
	_, _ = fmt.Fprint(w, read)
}

// enter starts an actor.
func (s *stage) enter(a *actor, act func(context.Context, *actor)) {
	ctx, leave := context.WithCancel(context.Background())
	a.leave = leave
	s.locked(func() {
		a.id, a.least = len(s.actors), s.evicted[a.object]
		s.actors = append(s.actors, a)
		s.open++
		s.running = a.id
	})
	go func() {
		defer s.locked(func() { s.open-- })
		defer leave()
		act(context.WithValue(ctx, actorKey{}, a), a)
	}()
	synctest.Wait()
}

func (s *stage) get(ctx context.Context, a *actor) {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("/objects/%d", a.object), http.NoBody))
	said := w.Header().Get("Cache-Status")
	shown, err := strconv.ParseInt(w.Body.String(), 10, 64)
	switch {
	case err != nil && a.left:
	case w.Code == http.StatusBadGateway && s.broken.Load():
	case err != nil || w.Code != http.StatusOK:
		s.fault("request %d: %d %q (%s)", a.id, w.Code, w.Body, said)
	case staleness(said) > s.tail:
		s.fault("request %d was shown what had not been fresh for %d s: %s", a.id, staleness(said), said)
	case shown < a.least:
		s.fault("request %d, after the eviction that began at %d, was shown what was read at %d (%s)", a.id, a.least, shown, said)
	}
	s.locked(func() { s.seen[strings.TrimPrefix(said, "echocache; ")] = true })
}

// forget returns an actor's way of evicting, which kind says.
func (s *stage) forget(kind int) func(context.Context, *actor) {
	return func(ctx context.Context, a *actor) {
		id := strconv.Itoa(a.object)
		s.hold(a.id, "before the write")
		var began int64
		var key string
		s.locked(func() { s.tick++; began = s.tick; s.fenced++; key = s.keys[a.object] })
		var err error
		switch kind {
		case 0:
			err = s.cache.Evict(ctx, "unknown", "object:"+id)
		case 1:
			err = s.cache.Evict(ctx, "late:"+id)
		case 2:
			err = s.cache.EvictPath(ctx, "/objects/"+id)
		case 3:
			err = s.cache.EvictRoute(ctx, "GET /objects/{id}")
		case 4:
			err = s.cache.EvictAll(ctx)
		default:
			if key == "" {
				return // nobody has asked yet
			}
			err = s.cache.Store().Backend().Delete(ctx, key)
		}
		if err != nil {
			s.fault("eviction %d: %v", a.id, err)
			return
		}
		s.locked(func() { s.evicted[a.object] = max(s.evicted[a.object], began) })
	}
}

const (
	most     = 14 // actors in a schedule
	lifetime = time.Second
)

func (s *stage) do(m move) {
	a := &actor{object: m.Arg % 4 / 3} // mostly the first, so that they meet
	if len(s.actors) >= most && slices.Contains([]string{"get", "no-store", "break", "evict", "delete"}, m.Kind) {
		m.Kind = "go on"
	}
	switch m.Kind {
	case "get":
		s.enter(a, s.get)
	case "no-store":
		a.fails = true
		s.enter(a, s.get)
	case "break":
		a.breaks = true
		s.enter(a, s.get)
	case "evict":
		s.enter(a, s.forget(m.Arg%5))
	case "delete":
		s.enter(a, s.forget(5))
	case "drop":
		s.locked(func() { s.dropped[s.keys[a.object]] = true })
	case "pass":
		d := []time.Duration{lifetime / 2, lifetime, 3 * lifetime, output.DefaultPatience}[m.Arg%4]
		s.passed += d
		time.Sleep(d)
	case "leave":
		if len(s.actors) > 0 {
			s.actors[m.Arg%len(s.actors)].left = true
			s.actors[m.Arg%len(s.actors)].leave()
		}
	case "hurry":
		s.hurry(m.Arg/len(stops), stops[m.Arg%len(stops)])
	default:
		s.goOn(m.Arg)
	}
	synctest.Wait()
	if a.leave != nil && m.Arg/4%2 == 1 {
		s.hurry(len(s.held)-1, "") // the newest stands last
	}
}

// staleness is what Cache-Status says of how long a page has not been fresh, in seconds; 0 if it is, or is no page.
func staleness(said string) int {
	_, ttl, _ := strings.Cut(said, "; ttl=-")
	ttl, _, _ = strings.Cut(ttl, ";")
	seconds, _ := strconv.Atoi(ttl)
	return seconds
}

// How long a page is shown on a stage with stale pages after it is no longer fresh: at once, or if its handler fails.
const (
	staleFor     = 2 * lifetime
	staleOnError = 4 * lifetime
)

// policies are those under which schedules are played.
var policies = map[string]output.Policy{
	"fresh": output.For(lifetime).Jitter(0).Tag("object:{id}"),
	"stale": output.For(lifetime).Jitter(0).Tag("object:{id}").StaleWhileRevalidate(staleFor).StaleIfError(staleOnError),
}

// perform plays a schedule under a policy in the bubble of its caller and returns the stage as it was left.
func perform(moves []move, policy string, open func() store.Backend) *stage {
	s := &stage{dropped: map[string]bool{}, seen: map[string]bool{}}
	backend := open()
	around := store.Backend(staged{backend, s})
	if local, ok := store.As[store.Local](backend); ok {
		around = stagedLocal{staged{backend, s}, local}
	}
	cache, err := output.New(output.Config{Store: store.New(around, store.Config{})})
	if err != nil {
		s.fault("%v", err)
		return s
	}
	cache.SetYield(func(point string) {
		if point != "look-up" { // staged has held it there already
			s.hold(s.running, point)
		}
	})
	s.cache = cache
	if policy == "stale" {
		s.tail = int(staleOnError / time.Second)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /objects/{id}", cache.Handler(policies[policy], http.HandlerFunc(s.show)))
	s.handler = mux

	for _, m := range moves {
		s.do(m)
	}
	for n := 0; s.goOn(n); n += len(moves) {
	}
	s.conclude(moves)
	if err := cache.Close(); err != nil {
		s.fault("close: %v", err)
	}
	if err := backend.Close(); err != nil {
		s.fault("close: %v", err)
	}
	return s
}

// conclude judges what is left when nobody is held any more: no request may still wait, since no handler runs.
func (s *stage) conclude(moves []move) {
	if s.open > 0 {
		s.fault("%d requests wait for nobody", s.open)
		for range 2 { // let them end, so that the test can report it
			time.Sleep(output.DefaultPatience)
			for s.goOn(0) {
			}
		}
	}
	uncacheable := slices.ContainsFunc(moves, func(m move) bool { return m.Kind == "no-store" || m.Kind == "break" })
	if s.crowded && !uncacheable && s.fenced < 3 && s.passed < output.DefaultPatience {
		s.fault("two handlers at once for one key")
	}
	if n := s.cache.Stats(); n.Filling != 0 || n.Waiting != 0 {
		s.fault("%d fill and %d wait when all have gone", n.Filling, n.Waiting)
	}
}

// schedule plays moves in a bubble of its own; a goroutine that is left behind fails the test there.
func schedule(t *testing.T, moves []move, policy string, open func() store.Backend) (s *stage) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { s = perform(moves, policy, open) })
	return s
}
