package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/echocache/echocache/bench/internal/record"
)

// column is one column of a table over the targets of a case.
type column struct {
	title string
	cell  func(r *record.Results, suite, name, who string) string
}

// median shows a metric's median.
func median(title, metric string) column {
	return column{title, func(r *record.Results, suite, name, who string) string {
		return figure(r.Spread(suite, name, who, metric), number)
	}}
}

// spread shows a metric's median, and its lowest and highest value.
func spread(title, metric string) column {
	return column{title, func(r *record.Results, suite, name, who string) string {
		s := r.Spread(suite, name, who, metric)
		if s.N == 0 {
			return ""
		}
		return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
	}}
}

// ratio shows how a metric compares with the base's.
func ratio(title, base, metric string) column {
	return column{title, func(r *record.Results, suite, name, who string) string {
		return between(r.Ratio(suite, name, who, base, metric))
	}}
}

func between(s record.Spread) string {
	if s.N == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s–%s)", two(s.Median), two(s.Low), two(s.High))
}

func figure(s record.Spread, format func(float64) string) string {
	if s.N == 0 {
		return ""
	}
	return format(s.Median)
}

// table writes one case.
func table(b *strings.Builder, r *record.Results, suite, name string, columns ...column) {
	targets := r.Targets(suite, name)
	if len(targets) == 0 {
		b.WriteString("Nothing.\n\n")
		return
	}
	b.WriteString("| |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, who := range ordered(targets) {
		fmt.Fprintf(b, "| %s |", label(who))
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", c.cell(r, suite, name, who))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// two writes a ratio.
func two(v float64) string {
	if v >= 100 {
		return number(v)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// number writes a figure with what digits mean something, and commas between thousands.
func number(v float64) string {
	if v != 0 && math.Abs(v) < 10 && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	digits := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && d != '-' && digits[i-1] != '-' && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
