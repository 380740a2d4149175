package record

import (
	"math"
	"slices"
)

// Spread says where a number of values lie. The zero value says that there are none.
type Spread struct {
	N           int
	Min, Max    float64
	Low, High   float64 // the ends of the middle half
	Median      float64
	Significant bool // the middle half does not include 1: for ratios
}

// Over returns the spread of values.
func Over(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	s := Spread{
		N: len(sorted), Min: sorted[0], Max: sorted[len(sorted)-1],
		Low: quantile(sorted, 0.25), Median: quantile(sorted, 0.5), High: quantile(sorted, 0.75),
	}
	s.Significant = s.Low > 1 || s.High < 1
	return s
}

// Quantile returns the value below which a share of the values lies, between two values by their distance.
func Quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return quantile(slices.Sorted(slices.Values(values)), share)
}

func quantile(sorted []float64, share float64) float64 {
	at := share * float64(len(sorted)-1)
	below := int(math.Floor(at))
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}
