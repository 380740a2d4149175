// Package report makes a document of what was measured. The text is a function of the record alone: what was got, and
// whether a goal is met, is computed, and nothing is typed in by hand.
package report

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/echocache/echocache/bench/internal/record"
)

// What stands between these lines is ours; what stands outside stays.
const (
	Begin = "<!-- begin: written by make bench -->"
	End   = "<!-- end: written by make bench -->"
)

// ErrNoPlace says that a document has no such lines.
var ErrNoPlace = errors.New("report: the document does not have both marks, in their order")

// Update writes the report into a document, between its marks.
func Update(file string, r *record.Results) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	text, err := Insert(string(old), Markdown(r))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // a document is for everybody
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Insert replaces what stands between the marks of a document.
func Insert(document, text string) (string, error) {
	before, rest, ok1 := strings.Cut(document, Begin)
	_, after, ok2 := strings.Cut(rest, End)
	if !ok1 || !ok2 {
		return "", ErrNoPlace
	}
	return before + Begin + "\n\n" + strings.TrimSpace(text) + "\n\n" + End + after, nil
}

// Markdown returns the report.
func Markdown(r *record.Results) string {
	var b strings.Builder
	for _, section := range []func(b *strings.Builder, r *record.Results){
		intro, goalTable, inProcess, overHTTP, paced, onRedis, parts, stampedes, values, scope,
	} {
		section(&b, r)
	}
	return b.String()
}

func intro(b *strings.Builder, r *record.Results) {
	m, s := r.Machine, r.Settings
	fmt.Fprintf(b, "## How it was measured\n\n```sh\n%s\n```\n\n", s.Command)
	fmt.Fprintf(b, "On %s: %s, %d cores, %s, %s, %s; load average %s when it began. Rounds: %d, of %g s a target.\n",
		s.Date, m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.LoadAvg, s.Rounds, s.Seconds)
	b.WriteString("Servers, Redis and the load share the cores, so **absolute figures say little; compare the ratios**. " +
		"In a round every target has its turn, in an\norder drawn anew; a ratio is taken within a round. A figure is the median of " +
		"the rounds, and in brackets stands the middle half of them: where\nthat of a ratio includes 1.00, these rounds did " +
		"not tell which is more.\n\n")
	if busy, err := strconv.ParseFloat(m.LoadAvg, 64); err == nil && busy > float64(m.Cores)/2 {
		b.WriteString("**The machine had other work. This run shows that everything runs; its figures, and what they say of the goals, count for " +
			"nothing.**\n\n")
	}
	b.WriteString("A benchmark fails if an origin ran behind a cache, or an answer was wrong: each has the right status and length, and " +
		"every byte is compared before\nand after, by the pacer and in a stampede in each answer.\n\n")
	if len(r.Notices) > 0 {
		b.WriteString("**Not measured in this run:**\n\n")
		for _, n := range r.Notices {
			fmt.Fprintf(b, "- %s\n", strings.Join(strings.Fields(n), " "))
		}
		b.WriteString("\n")
	}
	var versions []string
	for _, v := range r.Versions {
		versions = append(versions, short(v.Name)+" "+v.Version)
	}
	fmt.Fprintf(b, "Versions: %s.\n\n", wrap(strings.Join(versions, ", "), len("Versions: ")))
}

// short is the part of a module's path by which people know it.
func short(path string) string { return strings.TrimPrefix(path, "github.com/") }

// wrap breaks a paragraph into lines of the document's width. used is what stands before it on the first.
func wrap(text string, used int) string {
	const width = 140
	var b strings.Builder
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case used+1+len(word) > width:
			b.WriteByte('\n')
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}

func scope(b *strings.Builder, _ *record.Results) {
	b.WriteString("Not measured: more cores than stand above, a Redis on another machine, TLS, HTTP/2, writes under load, misses, hit rates " +
		"under pressure.\n")
}
