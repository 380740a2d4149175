package load

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/echocache/echocache/bench/internal/page"
)

// Result is what a load has found.
type Result struct {
	Requests int
	Rate     float64 // answers per second
	P50, P99 time.Duration
	Late     time.Duration // by how much the load itself was late, at the median; of the pacer
}

// ErrWrong says that at least one answer was none, or another one.
var ErrWrong = errors.New("load: wrong answers")

// HasWrk reports whether wrk is on PATH.
func HasWrk() bool {
	_, err := exec.LookPath("wrk")
	return err == nil
}

// Wrk has wrk ask for page 7 over so many connections for so long, each connection as fast as it is answered. wrk looks
// at no body: an error, a status other than 2xx, or fewer bytes than the bodies have are wrong answers. Who uses it
// checks the bytes before and after.
func Wrk(ctx context.Context, addr string, connections, size int, d time.Duration) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d+patience)
	defer cancel()
	seconds := max(1, int(d.Round(time.Second)/time.Second)) // wrk knows whole seconds only
	args := []string{
		"-t", "2", "-c", strconv.Itoa(connections), "-d", strconv.Itoa(seconds) + "s", "--timeout", "10s", "--latency",
		"-H", "Host: " + page.Host,
	}
	for _, h := range page.Headers() {
		args = append(args, "-H", h[0]+": "+h[1])
	}
	out, err := exec.CommandContext(ctx, "wrk", append(args, "http://"+addr+page.URI(7))...).CombinedOutput()
	if err != nil {
		return Result{}, fmt.Errorf("load: wrk: %w: %s", err, out)
	}
	return parseWrk(string(out), size)
}

var (
	wrkTotal   = regexp.MustCompile(`(?m)^\s*(\d+) requests in [^,]+, ([\d.]+)([KMGT]?B) read`)
	wrkRate    = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)`)
	wrkLatency = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$`)
	wrkErrors  = regexp.MustCompile(`(?m)^\s*(Socket errors:.*|Non-2xx or 3xx responses:.*)$`)
)

func parseWrk(out string, size int) (Result, error) {
	if found := wrkErrors.FindString(out); found != "" {
		return Result{}, fmt.Errorf("%w: wrk: %s", ErrWrong, found)
	}
	total, rate := wrkTotal.FindStringSubmatch(out), wrkRate.FindStringSubmatch(out)
	latencies := wrkLatency.FindAllStringSubmatch(out, -1)
	if total == nil || rate == nil || len(latencies) != 2 {
		return Result{}, fmt.Errorf("load: wrk says %q", out)
	}
	requests, read := number(total[1]), number(total[2])*wrkBytes[total[3]]
	// What it prints is rounded to two decimals.
	if requests == 0 || read*1.01 < requests*float64(size) {
		return Result{}, fmt.Errorf("%w: wrk: %.0f bytes in %.0f answers, want %d in each", ErrWrong, read, requests, size)
	}
	r := Result{Requests: int(requests), Rate: number(rate[1])}
	for _, l := range latencies {
		d, err := time.ParseDuration(l[2] + l[3])
		if err != nil {
			return Result{}, fmt.Errorf("load: wrk: %w", err)
		}
		if l[1] == "50" {
			r.P50 = d
		} else {
			r.P99 = d
		}
	}
	return r, nil
}

var wrkBytes = map[string]float64{"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

// number reads what a regular expression has found to be one.
func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return f
}
