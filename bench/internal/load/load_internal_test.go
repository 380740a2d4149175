package load

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echocache/echocache/bench/internal/page"
)

const size = 512

// serve serves the page, and something else to every request from the nth on. n = 0: never.
func serve(t *testing.T, n int64, other func(w http.ResponseWriter)) string {
	t.Helper()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if i := asked.Add(1); n > 0 && i >= n {
			other(w)
			return
		}
		_, _ = w.Write(page.Body(size))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// others are answers that must not count.
var others = map[string]func(w http.ResponseWriter){
	"status": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
	"short":  func(w http.ResponseWriter) { _, _ = w.Write(page.Body(size)[:size-1]) },
	"long":   func(w http.ResponseWriter) { _, _ = w.Write(append(page.Body(size), 'x')) },
	"one byte": func(w http.ResponseWriter) {
		body := page.Body(size)
		body[size/2]++
		_, _ = w.Write(body)
	},
	"empty": func(http.ResponseWriter) {},
}

func TestOneWrongAnswerFails(t *testing.T) {
	t.Parallel()
	for name, other := range others {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := Check(t.Context(), serve(t, 1, other), 7, size); err == nil {
				t.Error("Check is content")
			}
			if _, err := Pace(t.Context(), serve(t, 50, other), 4, size, 1000, 100*time.Millisecond); !errors.Is(err, ErrWrong) {
				t.Errorf("Pace: %v", err)
			}
			crowd, err := OpenCrowd(t.Context(), []string{serve(t, 15, other)}, 10, size, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer crowd.Close()
			if _, wrong, err := crowd.Ask(2); wrong != 6 || !errors.Is(err, ErrWrong) {
				t.Errorf("Crowd: %d wrong, %v", wrong, err)
			}
		})
	}
}

func TestRightAnswers(t *testing.T) {
	t.Parallel()
	addr := serve(t, 0, nil)
	if err := Check(t.Context(), addr, 7, size); err != nil {
		t.Error(err)
	}
	r, err := Pace(t.Context(), addr, 4, size, 500, 200*time.Millisecond)
	if err != nil || r.Requests != 100 || r.P50 <= 0 || r.P99 < r.P50 {
		t.Errorf("got %+v, %v", r, err)
	}
	crowd, err := OpenCrowd(t.Context(), []string{addr, addr}, 10, size, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer crowd.Close()
	if wall, wrong, err := crowd.Ask(2); wall <= 0 || wrong != 0 || err != nil {
		t.Errorf("got %s, %d, %v", wall, wrong, err)
	}
}

// TestLatencyCountsFromTheIntendedStart has a server that hangs once: all that should have been sent meanwhile is late,
// although each of those answers takes no time.
func TestLatencyCountsFromTheIntendedStart(t *testing.T) {
	t.Parallel()
	const hang = 300 * time.Millisecond
	addr := serve(t, 1, func(w http.ResponseWriter) { _, _ = w.Write(page.Body(size)) })
	var once atomic.Bool
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if once.CompareAndSwap(false, true) {
			time.Sleep(hang) // what is measured
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page.Body(size))
	}))
	defer slow.Close()
	if err := Check(t.Context(), addr, 7, size); err != nil {
		t.Fatal(err)
	}
	r, err := Pace(t.Context(), slow.Listener.Addr().String(), 1, size, 100, hang)
	if err != nil {
		t.Fatal(err)
	}
	if r.P50 < hang/4 { // in a closed loop it would be that of one answer
		t.Errorf("p50 %s", r.P50)
	}
}

const wrkSays = `Running 1s test @ http://127.0.0.1:1/products/7
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.05ms    2.00ms  24.33ms   90.00%
    Req/Sec    25.00k     3.00k   30.00k    70.00%
  Latency Distribution
     50%  812.00us
     75%    1.10ms
     90%    2.00ms
     99%   24.33ms
  50206 requests in 1.00s, 60.00MB read
Requests/sec:  50210.55
Transfer/sec:     59.99MB
`

func TestParseWrk(t *testing.T) {
	t.Parallel()
	r, err := parseWrk(wrkSays, 1024)
	want := Result{Requests: 50206, Rate: 50210.55, P50: 812 * time.Microsecond, P99: 24330 * time.Microsecond}
	if err != nil || r != want {
		t.Errorf("got %+v, %v", r, err)
	}
	// A unit of one letter has a blank behind it.
	if r, err := parseWrk(strings.Replace(wrkSays, "24.33ms\n  50206", "1.10s \n  50206", 1), 1024); err != nil || r.P99 != 1100*time.Millisecond {
		t.Errorf("a slow one: %+v, %v", r, err)
	}
	for name, bad := range map[string]string{
		"socket errors": wrkSays + "  Socket errors: connect 0, read 0, write 0, timeout 1\n",
		"statuses":      wrkSays + "  Non-2xx or 3xx responses: 1\n",
	} {
		if _, err := parseWrk(bad, 1024); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parseWrk(wrkSays, 2048); !errors.Is(err, ErrWrong) { // bodies that are too short
		t.Errorf("too few bytes: %v", err)
	}
	if _, err := parseWrk("usage", 1); err == nil {
		t.Error("anything is read")
	}
}
