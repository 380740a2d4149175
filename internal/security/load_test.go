package security_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

var responses = flag.Int("responses", 20_000, "how many answers the load test judges in each kind of store")

const users = 10_000

// load is many users at once, each of whom must be shown nothing but his own.
type load struct {
	tb     testing.TB
	echo   *echo.Echo
	cache  *echocache.Cache
	judged atomic.Int64
	wrong  atomic.Int64 // answers that were another's
	gave   atomic.Int64 // clients that gave up while their handler was at work
	evicts atomic.Int64
	once   sync.Once
}

// askers is how many ask at a time.
const askers = 16

// giveUp is how a handler finds the request whose client leaves while it is at work.
type giveUp struct{}

func newLoad(t *testing.T, s *stand, who func(echo.Context) string) *load {
	t.Helper()
	l := &load{tb: t}
	l.echo, l.cache = site(t, s, echocache.Config{User: who})
	outer := signIn(func(r *http.Request) string { return r.Header.Get("X-Test-User") })
	show := func(c echo.Context) error {
		if cancel, ok := c.Request().Context().Value(giveUp{}).(context.CancelFunc); ok {
			cancel()
			l.gave.Add(1)
		}
		for range 4 { // others come meanwhile
			runtime.Gosched()
		}
		c.Response().Header().Set("X-Of", user(c))
		return c.String(http.StatusOK, strings.Repeat("of <"+user(c)+"> ", 8))
	}
	l.echo.GET("/mine/:n", show, outer, l.cache.Output(output.For(ages).PerUser().Tag("mine:{user}", "n:{n}")))
	l.echo.GET("/shared/:n", show, outer, l.cache.Output(output.For(ages).Tag("n:{n}")))
	l.echo.POST("/mine", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, outer,
		l.cache.Evict("mine:{user}"))
	return l
}

// ask asks as somebody and judges the answer. Of a client that has left there is none.
func (l *load) ask(who, path string, leaves bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if leaves {
		ctx = context.WithValue(ctx, giveUp{}, cancel)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	r.Header.Set("X-Test-User", who)
	w := httptest.NewRecorder()
	l.echo.ServeHTTP(w, r)
	if ctx.Err() != nil && w.Code != http.StatusOK {
		return
	}
	l.judged.Add(1)
	want := strings.Repeat("of <"+who+"> ", 8)
	if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("X-Of") != who {
		l.wrong.Add(1)
		l.once.Do(func() { l.tb.Logf("%q got %d %q from %s, %v", who, w.Code, w.Body, path, w.Header()) })
	}
}

// crowd asks for one user's page from several of his devices at once, and for one that is nobody's.
func (l *load) crowd(random *rand.Rand) {
	who, n := "user-"+strconv.Itoa(random.IntN(users)), strconv.Itoa(random.IntN(4))
	var done sync.WaitGroup
	for range 4 {
		leaves := random.IntN(8) == 0
		done.Go(func() { l.ask(who, "/mine/"+n, leaves) })
	}
	done.Go(func() { l.ask(who, "/shared/"+n, false) }) // signed in: passes by
	done.Go(func() { l.ask("", "/shared/"+n, false) })
	done.Wait()
}

// evict forgets one user's pages, by a write of his own or from outside, or those of many.
func (l *load) evict(random *rand.Rand) {
	l.evicts.Add(1)
	who := "user-" + strconv.Itoa(random.IntN(users))
	switch random.IntN(16) {
	case 0:
		if err := l.cache.Outputs().Evict(context.Background(), "n:"+strconv.Itoa(random.IntN(4))); err != nil {
			l.tb.Error(err)
		}
	default:
		r := httptest.NewRequest(http.MethodPost, "/mine", http.NoBody)
		r.Header.Set("X-Test-User", who)
		l.echo.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// run asks until so many answers are judged.
func (l *load) run(n int64) {
	var done sync.WaitGroup
	for seed := range uint64(askers) {
		done.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a load, not a secret
			for l.judged.Load() < n {
				l.crowd(random)
				if random.IntN(64) == 0 {
					l.evict(random)
				}
			}
		})
	}
	done.Wait()
}

// TestI4_LoadShowsEverybodyTheirOwn names I-4: of 10,000 users none is ever shown what is another's, while fills are shared,
// clients leave in the middle of them and pages are evicted.
func TestI4_LoadShowsEverybodyTheirOwn(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			n := int64(*responses)
			if kind != "memstore" {
				n /= 10 // of the same code, with a slower store behind it
			}
			l := newLoad(t, newStand(t, kind, nil, true, 64<<20), user)
			l.run(n)
			stats := l.cache.Outputs().Stats()
			t.Logf("%d answers, %d of another; %d hits, %d misses, %d collapsed, %d bypassed, %d clients gave up, %d evictions",
				l.judged.Load(), l.wrong.Load(), stats.Hits, stats.Misses, stats.Collapsed, stats.Bypassed, l.gave.Load(), l.evicts.Load())
			if l.wrong.Load() != 0 {
				t.Errorf("%d of %d answers were another's", l.wrong.Load(), l.judged.Load())
			}
			// Otherwise the load has shown nothing.
			for what, n := range map[string]uint64{
				"hits": stats.Hits, "misses": stats.Misses, "collapsed": stats.Collapsed, "bypassed": stats.Bypassed,
				"clients that gave up": uint64(l.gave.Load()), "evictions": stats.Evictions,
			} {
				if n == 0 {
					t.Errorf("no %s", what)
				}
			}
		})
	}
}

// TestI4_LoadMutants: users whom the application does not tell apart are what the load must find.
func TestI4_LoadMutants(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]func(echo.Context) string{
		"all are one":              func(echo.Context) string { return "one" },
		"told apart by the length": func(c echo.Context) string { return fmt.Sprint(len(user(c))) },
		"one in ten is mistaken": func(c echo.Context) string {
			return strings.TrimSuffix(user(c), "7")
		},
	} {
		l := newLoad(t, newStand(t, "memstore", nil, false, 64<<20), who)
		l.run(3000)
		if l.wrong.Load() == 0 {
			t.Errorf("%s: went unnoticed", name)
		}
	}
}
