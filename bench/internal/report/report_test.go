package report_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/report"
	"github.com/echocache/echocache/bench/internal/target"
)

func run() *record.Results {
	return &record.Results{Settings: record.Settings{Command: "make bench", Rounds: 3, Seconds: 1, Connections: 64, Crowd: 2000, HandlerMS: 100}}
}

// row returns the cells of the table row that begins with these words.
func row(t *testing.T, text, begins string) []string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| "+begins) {
			return strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		}
	}
	t.Fatalf("no row %q in\n%s", begins, text)
	return nil
}

func last(cells []string) string { return cells[len(cells)-1] }

// TestGoalsAreComputed moves one figure over its bounds.
func TestGoalsAreComputed(t *testing.T) {
	t.Parallel()
	const what = "hit in process, full key, 1 KiB, serial"
	for name, c := range map[string]struct {
		times, bytes, allocs float64
		want                 string
	}{
		"better than stretched for": {2, 48, 1, "met, stretch too"},
		"at the stretch":            {2.3, 64, 2, "met, stretch too"},
		"one figure is not":         {2, 65, 1, "met"},
		"at the goal":               {3, 200, 3, "met"},
		"too slow":                  {3.01, 48, 1, "**not met**"},
		"too many allocations":      {2, 48, 4, "**not met**"},
		"too many bytes":            {2, 201, 1, "**not met**"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run()
			for round, base := range []float64{100, 1000, 10_000} {
				in := record.Mode(record.Small, false)
				r.Add(record.InProcess, in, target.Echo, round, map[string]float64{record.Nanoseconds: base})
				r.Add(record.InProcess, in, target.Ours, round, map[string]float64{
					record.Nanoseconds: base * c.times, record.Bytes: c.bytes, record.Allocs: c.allocs,
				})
			}
			if got := last(row(t, report.Markdown(r), what)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestAGoalOfAtLeast is about the other direction, and about one round of three that is bad.
func TestAGoalOfAtLeast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rates []float64
		want  string
	}{
		"the median counts": {[]float64{2000, 100, 2000}, "met, stretch too"},
		"met":               {[]float64{1200, 1200, 1200}, "met"},
		"not met":           {[]float64{1090, 5000, 1090}, "**not met**"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run()
			for round, rate := range c.rates {
				r.Add(record.Redis, record.Conns(64), target.RedisNaive, round, map[string]float64{record.Rate: 1000})
				r.Add(record.Redis, record.Conns(64), target.RedisOurs, round, map[string]float64{record.Rate: rate})
			}
			text := report.Markdown(r)
			if got := last(row(t, text, "Redis hit with breaker, decode, 3 tags, against a naive go-redis GET, 64")); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := last(row(t, text, "Redis hit with breaker, decode, 3 tags, against a naive go-redis GET, 256")); got != "unknown" {
				t.Errorf("what was not measured is %q", got)
			}
		})
	}
}

// TestTheWorstRoundOfAStampedeCounts: one run in three rounds is not what was promised.
func TestTheWorstRoundOfAStampedeCounts(t *testing.T) {
	t.Parallel()
	for runs, want := range map[float64]string{1: "met, stretch too", 2: "**not met**"} {
		r := run()
		for round := range 3 {
			values := map[string]float64{record.Runs: 1, record.Wall: 110, record.Handler: 100}
			if round == 1 {
				values[record.Runs] = runs
			}
			r.Add(record.Stampede, record.Crowd(1, false), target.Ours, round, values)
		}
		if got := last(row(t, report.Markdown(r), "a crowd of cold requests: one process, cold")); got != want {
			t.Errorf("%v runs: got %q, want %q", runs, got, want)
		}
	}
}

// TestTables looks at the figures themselves.
func TestTables(t *testing.T) {
	t.Parallel()
	r := run()
	r.Notice("no\nwrk")
	for round, ns := range []float64{100, 300, 200} {
		in := record.Mode(record.Large, true)
		r.Add(record.InProcess, in, target.Ours, round, map[string]float64{record.Nanoseconds: 2.5 * ns, record.Allocs: 1, record.Bytes: 48})
		r.Add(record.InProcess, in, target.Echo, round, map[string]float64{record.Nanoseconds: ns})
		r.Add(record.InProcess, in, target.Souin, round, map[string]float64{record.Nanoseconds: 10_000 * ns})
	}
	text := report.Markdown(r)
	_, section, _ := strings.Cut(text, "### 64 KiB, parallel")
	for begins, want := range map[string]string{
		"echo |":         "echo | 200 (100–300) | 1.00 (1.00–1.00) |  | ",
		"**echocache** ": "**echocache** | 500 (250–750) | 2.50 (2.50–2.50) | 48 | 1",
		"souin ":         "souin | 2,000,000 (1,000,000–3,000,000) | 10,000 (10,000–10,000) |  | ",
	} {
		if got := strings.Join(row(t, section, begins), " | "); strings.TrimRight(got, " |") != strings.TrimRight(want, " |") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !strings.Contains(text, "- no wrk\n") {
		t.Error("what is missing is not told")
	}
	if report.Markdown(r) != text {
		t.Error("the same record gives two texts")
	}
}

// TestABusyMachineIsTold has a load of more than half of the cores.
func TestABusyMachineIsTold(t *testing.T) {
	t.Parallel()
	for load, want := range map[string]bool{"0.50": false, "1.00": false, "1.01": true, "15.25": true, "unknown": false} {
		r := run()
		r.Machine.Cores, r.Machine.LoadAvg = 2, load
		if got := strings.Contains(report.Markdown(r), "had other work"); got != want {
			t.Errorf("%s: %t", load, got)
		}
	}
}

func TestUpdateLeavesTheRest(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "doc.md")
	const before, after = "# Title\n\n", "\n\n## By hand\n"
	for _, old := range []string{"", "\nold text\n"} {
		if err := os.WriteFile(file, []byte(before+report.Begin+old+report.End+after), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := report.Update(file, run()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(got), before+report.Begin+"\n\n## How") || !strings.HasSuffix(string(got), report.End+after) ||
			strings.Contains(string(got), "old text") {
			t.Errorf("got %v\n%s", err, got)
		}
	}
	for _, without := range []string{"# Title", report.Begin, report.End + report.Begin} {
		if _, err := report.Insert(without, "text"); !errors.Is(err, report.ErrNoPlace) {
			t.Errorf("%q: %v", without, err)
		}
	}
}
