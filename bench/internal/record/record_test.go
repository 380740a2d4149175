package record_test

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/echocache/echocache/bench/internal/record"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		values            []float64
		low, median, high float64
		significant       bool
	}{
		{"one", []float64{3}, 3, 3, 3, true},
		{"two", []float64{4, 2}, 2.5, 3, 3.5, true},
		{"five, unordered", []float64{5, 1, 4, 2, 3}, 2, 3, 4, true},
		{"around one", []float64{0.8, 1.2, 1.0, 0.9, 1.1}, 0.9, 1, 1.1, false},
		{"below one", []float64{0.5, 0.6, 0.7}, 0.55, 0.6, 0.65, true},
		{"one that is far off does not move the median", []float64{1, 2, 3, 4, 1000}, 2, 3, 4, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := record.Over(c.values)
			near(t, "low", s.Low, c.low)
			near(t, "median", s.Median, c.median)
			near(t, "high", s.High, c.high)
			if s.Significant != c.significant || s.N != len(c.values) {
				t.Errorf("got %+v", s)
			}
		})
	}
	if got := record.Over(nil); got != (record.Spread{}) {
		t.Errorf("no values: %+v", got)
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if d := got - want; d > 1e-9 || d < -1e-9 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// TestRatiosAreTakenWithinARound has a machine that is slower in each round than in the one before. The ratio of the
// medians would be 2 as well in the first case; in the second only the pairs tell the truth.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	t.Parallel()
	var r record.Results
	for round, slow := range []float64{1, 10, 100} {
		r.Add("s", "c", "base", round, map[string]float64{"ns": 50 * slow})
		r.Add("s", "c", "twice", round, map[string]float64{"ns": 100 * slow})
	}
	// Present in the slowest round only: beside the median of the base it would look ten times as slow.
	r.Add("s", "c", "equal", 2, map[string]float64{"ns": 5000})
	// No base in this round, and a base of nothing.
	r.Add("s", "c", "twice", 3, map[string]float64{"ns": 1})
	r.Add("s", "c", "base", 4, map[string]float64{"ns": 0})
	r.Add("s", "c", "twice", 4, map[string]float64{"ns": 1})
	if got := r.Ratio("s", "c", "twice", "base", "ns"); got.Median != 2 || got.Low != 2 || got.High != 2 || got.N != 3 {
		t.Errorf("twice: %+v", got)
	}
	if got := r.Ratio("s", "c", "equal", "base", "ns"); got.Median != 1 || got.N != 1 {
		t.Errorf("equal: %+v", got)
	}
	if got := r.Ratio("s", "c", "equal", "nobody", "ns"); got.N != 0 {
		t.Errorf("without a base: %+v", got)
	}
	if got, want := r.Targets("s", "c"), []string{"base", "twice", "equal"}; !reflect.DeepEqual(got, want) {
		t.Errorf("targets %v", got)
	}
}

func TestResultsSurviveAFile(t *testing.T) {
	t.Parallel()
	r := &record.Results{Versions: []record.Version{{Name: "a", Version: "v1"}}}
	r.Notice("no %s", "wrk")
	r.Add(record.HTTP, "1 KiB", "echo", 1, map[string]float64{record.Rate: 12.5})
	name := filepath.Join(t.TempDir(), "results.json")
	if err := r.Write(name); err != nil {
		t.Fatal(err)
	}
	got, err := record.Read(name)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v", got, err)
	}
}
