package growth_test

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cost is what one call takes, and its ratio to one of the reference. Both are medians over rounds; a ratio is taken within
// a round.
type cost struct{ each, ratio float64 }

// compare lets a subject and its reference take turns. Each makes n calls when it is told to.
func (p plan) compare(subject, reference func(n int)) cost {
	runtime.GC()
	calls := [2]int{p.calls(subject), p.calls(reference)}
	each, ratios := make([]float64, p.rounds), make([]float64, p.rounds)
	for i := range p.rounds {
		if i%2 == 0 { // neither is always the first
			each[i] = timed(subject, calls[0])
			ratios[i] = each[i] / timed(reference, calls[1])
			continue
		}
		r := timed(reference, calls[1])
		each[i] = timed(subject, calls[0])
		ratios[i] = each[i] / r
	}
	return cost{median(each), median(ratios)}
}

// calls returns how many calls fill a slice of time.
func (p plan) calls(f func(n int)) int {
	for n := 1; ; n *= 2 {
		began := time.Now()
		f(n)
		if took := time.Since(began); took >= p.slice/2 {
			return max(1, int(float64(n)*float64(p.slice)/float64(took)))
		}
	}
}

// timed returns the nanoseconds of one of n calls.
func timed(f func(n int), n int) float64 {
	began := time.Now()
	f(n)
	return float64(time.Since(began)) / float64(n)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// flat fails if a curve that has to be flat is not. The limit is far from what noise does.
func (p plan) flat(t *testing.T, what string, ratio float64) {
	t.Helper()
	if limit := 3.0; p.strict && ratio > limit {
		t.Errorf("%s: %.1f times what the first point costs; want it flat", what, ratio)
	}
}

// ns writes nanoseconds down in a unit that people read.
func ns(v float64) string {
	switch {
	case v < 10_000:
		return number(v) + " ns"
	case v < 10_000_000:
		return number(v/1e3) + " µs"
	default:
		return number(v/1e6) + " ms"
	}
}

func times(ratio float64) string { return fmt.Sprintf("%.2f", ratio) }

// number writes three digits or more, with commas between thousands.
func number(v float64) string {
	digits := 0
	if a := math.Abs(v); a < 10 {
		digits = 2
	} else if a < 100 {
		digits = 1
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', digits, 64), ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

func count(n int) string {
	return strings.TrimSuffix(strings.TrimSuffix(number(float64(n)), ".00"), ".0")
}

// heap returns the bytes that are reachable.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what had a finaliser, or lay in a pool, is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{"1.50": 1.5, "12.3": 12.34, "123": 123.4, "1,234": 1234, "1,234,567": 1234567, "-123": -123} {
		if got := number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
	if got := count(2_000_000) + " " + count(1) + " " + count(64); got != "2,000,000 1 64" {
		t.Error(got)
	}
	if got := median([]float64{5, 1, 100}); got != 5 {
		t.Error(got)
	}
}
