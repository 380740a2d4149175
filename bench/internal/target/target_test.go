package target_test

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/echocache/echocache/bench/internal/target"

	"github.com/echocache/echocache/bench/internal/page"
)

const size = 1024

// TestMain has testing.Benchmark take a fixed number of steps, so that these tests are quick.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.benchtime", "40x"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestTargetsHit has every target that needs no server answer, and hit, in both modes.
func TestTargetsHit(t *testing.T) {
	t.Parallel()
	for _, name := range target.Names() {
		if strings.Contains(name, "redis") || slices.Contains([]string{target.RedisTiered, target.RedisNaive}, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened, err := target.Open(name, target.Config{Size: size, TTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			for _, parallel := range []bool{false, true} {
				cost, err := opened.Hit(size, parallel)
				if err != nil || cost.Nanoseconds <= 0 {
					t.Errorf("parallel %t: %+v, %v", parallel, cost, err)
				}
			}
			if opened.Cached && opened.Runs() != 1 {
				t.Errorf("the origin ran %d times", opened.Runs())
			}
			if err := opened.Ask(8, size); err != nil || (opened.Cached && opened.Runs() != 2) {
				t.Errorf("another page: %v, the origin ran %d times", err, opened.Runs())
			}
			if err := opened.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := target.Open("nobody", target.Config{}); err == nil {
		t.Error("nobody was opened")
	}
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// TestAMeasurementFails has a target do what must not count as a hit.
func TestAMeasurementFails(t *testing.T) {
	t.Parallel()
	right := page.Body(size)
	wrong := slices.Clone(right)
	wrong[size/2]++
	for name, c := range map[string]struct {
		body   []byte
		status int
		runs   bool
		after  int // this many right answers
		want   error
	}{
		"the origin runs once more":            {right, 200, true, 30, target.ErrOriginRan},
		"the origin runs at each request":      {right, 200, true, 1, target.ErrOriginRan},
		"a short answer in between":            {right[:size-1], 200, false, 30, nil},
		"an error in between":                  {right, 500, false, 30, nil},
		"another body of the same length":      {wrong, 200, false, 0, nil},
		"another body of the same length, now": {wrong, 200, false, 40, nil},
	} {
		for _, parallel := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				asked := 0
				fake := target.Counted(func(run func(), w http.ResponseWriter, _ *http.Request) {
					mu.Lock()
					asked++
					n := asked
					mu.Unlock()
					if n == 1 || (c.runs && n > c.after) {
						run()
					}
					if n > c.after {
						answer(w, c.status, c.body)
						return
					}
					answer(w, http.StatusOK, right)
				})
				if cost, err := fake.Hit(size, parallel); err == nil || (c.want != nil && !errors.Is(err, c.want)) {
					t.Errorf("parallel %t: got %+v, %v", parallel, cost, err)
				}
			})
		}
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	for _, n := range []int{64, 1 << 10, 64 << 10} {
		if got := len(page.Body(n)); got != n {
			t.Errorf("%d bytes, want %d", got, n)
		}
	}
}
