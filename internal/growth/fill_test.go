package growth_test

import (
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

func fillByWaiters(t *testing.T, p plan, b *book) {
	t.Helper()
	out := b.open("fill-waiters", "requests at once", "handlers", "from the handler's answer to the last request's", "each request",
		"bytes of memory a request that waits")
	for _, n := range p.waiters {
		wall, size := make([]float64, p.rounds), make([]float64, p.rounds)
		for i := range p.rounds {
			wall[i], size[i] = crowd(t, n)
		}
		w := median(wall)
		each := "" // of few it is lost in what else the process has
		if n >= 100 {
			each = number(median(size))
		}
		out.row(count(n), "1", ns(w), ns(w/float64(n)), each)
	}
}

// crowd has n requests ask for a page that is not there. It returns the nanoseconds from when the handler is let go until
// all have it, and the bytes that each of them holds until then.
func crowd(t *testing.T, n int) (wall, size float64) {
	t.Helper()
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	e, release, ran := echo.New(), make(chan struct{}), 0
	e.GET("/pages/:id", func(c echo.Context) error {
		ran++
		<-release
		return c.String(http.StatusOK, c.Request().URL.Path)
	}, cache.Output(output.For(time.Hour).Public()))
	s := &site{t: t, e: e}
	visitors := make([]*visitor, n)
	for i := range visitors {
		visitors[i] = s.visitor()
	}
	before := inUse()
	var wg sync.WaitGroup
	for _, v := range visitors {
		wg.Go(func() { v.ask(pagePath(1)) })
	}
	for stats := cache.Outputs().Stats(); stats.Filling != 1 || stats.Waiting != int64(n-1); stats = cache.Outputs().Stats() {
		time.Sleep(100 * time.Microsecond) // the crowd gathers; what is measured begins below
	}
	size = (inUse() - before) / float64(n)
	began := time.Now()
	close(release)
	wg.Wait()
	wall = float64(time.Since(began))
	for _, v := range visitors {
		if v.status != http.StatusOK || string(v.body) != pagePath(1) {
			t.Fatalf("status %d, %.40q", v.status, v.body)
		}
	}
	if ran != 1 {
		t.Fatalf("the handler ran %d times", ran)
	}
	return wall, size
}

// inUse returns the bytes of heap that are reachable, and of stacks.
func inUse() float64 {
	runtime.GC()
	runtime.GC() // stacks that are not in use are given back by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}
