package output_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// A Progress that panics takes nobody along: Warm waits for those under way, whom it has told to stop.
func TestWarmProgressPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int64
		app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Add(-1)
			if r.URL.Path != "/first" {
				<-r.Context().Done()
				time.Sleep(time.Second)
			}
		})
		defer func() {
			if v := recover(); v != "mine" || running.Load() != 0 {
				t.Errorf("%v, and %d are running", v, running.Load())
			}
		}()
		_, err := output.Warm(t.Context(), app, asking(t, "/a", "/b", "/first", "/c"), output.WarmConfig{
			Concurrency: 3, Progress: func(output.WarmProgress) { panic("mine") },
		})
		t.Errorf("returned: %v", err)
	})
}

// When the context ends, those under way end and no other starts.
func TestWarmCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs, running atomic.Int64
		app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			runs.Add(1)
			running.Add(1)
			defer running.Add(-1)
			switch r.URL.Path {
			case "/waits":
				<-r.Context().Done()
			case "/writes": // and looks at nothing but whether its client is there
				for {
					if _, err := io.WriteString(w, "x"); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3500*time.Millisecond, cancel)
		requests := asking(t, "/done", "/waits", "/writes", "/waits", "/never", "/never")
		report, err := output.Warm(ctx, app, requests, output.WarmConfig{Concurrency: 3})
		if !errors.Is(err, context.Canceled) || running.Load() != 0 || runs.Load() != 4 {
			t.Errorf("%v, %d running of %d", err, running.Load(), runs.Load())
		}
		want := []string{
			"200 0 no-cache-status", "0 0 cancelled: context canceled", "200 4 cancelled: context canceled",
			"0 0 cancelled: context canceled",
		}
		if d := cmp.Diff(want, toldAll(report)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if s := report.String(); s != "warmed 0 of 6: 0 stored, 0 hit; not stored: 3 cancelled, 1 no-cache-status; not started: 2" {
			t.Error(s)
		}
	})
}

// A context that has ended already starts nothing. One that ends when all is done is no error.
func TestWarmCancelledAtTheEdges(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), slow(0))
	ctx, cancel := context.WithCancel(t.Context())
	report, err := output.Warm(ctx, p, asking(t, "/a", "/b"), output.WarmConfig{
		Concurrency: 1, Progress: func(made output.WarmProgress) {
			if made.Done == 2 {
				cancel()
			}
		},
	})
	if err != nil || report.Stored != 2 {
		t.Errorf("%v %s", err, report)
	}
	report, err = output.Warm(ctx, p, asking(t, "/a"), output.WarmConfig{})
	if !errors.Is(err, context.Canceled) || report.String() != "warmed 0 of 1: 0 stored, 0 hit; not started: 1" || p.runs.Load() != 2 {
		t.Errorf("%v %s", err, report)
	}
	if report, err = output.Warm(ctx, p, nil, output.WarmConfig{}); err != nil || report.String() != "warmed 0 of 0: 0 stored, 0 hit" {
		t.Errorf("%v %s", err, report)
	}
}

// A fill is its cache's, so a cancellation lets it end; who only waits for it is cancelled. A deadline ends both.
func TestWarmCancelledDuringAFill(t *testing.T) {
	for name, row := range map[string]struct {
		limit func(context.Context) (context.Context, context.CancelFunc)
		err   error
		took  time.Duration
		want  []string
	}{
		"a cancellation": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(time.Second, cancel)
				return ctx, cancel
			},
			context.Canceled, 10 * time.Second, []string{"0 0 cancelled: context canceled", "200 0 stored 1m0s"},
		},
		"a deadline": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			},
			context.DeadlineExceeded, 2 * time.Second,
			[]string{"0 0 cancelled: context deadline exceeded", "503 0 deadline: context deadline exceeded"},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
					time.Sleep(time.Second)
					w.WriteHeader(http.StatusServiceUnavailable)
				case <-time.After(10 * time.Second):
					_, _ = io.WriteString(w, "page")
				}
			})
			ctx, cancel := row.limit(t.Context())
			defer cancel()
			began := time.Now()
			report, err := output.Warm(ctx, p, asking(t, "/", "/"), output.WarmConfig{Concurrency: 2})
			if took := time.Since(began); !errors.Is(err, row.err) || took != row.took {
				t.Errorf("%s: %v after %s", name, err, took)
			}
			got := toldAll(report)
			slices.Sort(got)
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("%s: -want +got\n%s", name, d)
			}
		})
	}
}

// A request whose own context ends is its own affair.
func TestWarmRequestsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		own, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "mine"), time.Second)
		defer cancel()
		requests := asking(t, "/a", "/b")
		requests[0] = requests[0].WithContext(own)
		var saw any
		report := warm(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/a" {
				saw = r.Context().Value(key{})
				<-r.Context().Done()
			}
		}), requests, output.WarmConfig{Concurrency: 1})
		if r := report.Results[0]; saw != "mine" || !errors.Is(r.Err, context.DeadlineExceeded) || r.Duration != time.Second || report.Results[1].Err != nil {
			t.Errorf("%v %q", saw, toldAll(report))
		}
	})
}
