package output_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is a mistake in the source of this module: each of the pairs in edit is an old text and the new one.
type mutant struct {
	file string // from the root of the module
	edit []string
	test string // the tests that must find it
	in   string // the directory of these tests; default output
}

// The tests in which many requests meet must notice when one of the things goes that they are about.
var mutants = map[string]mutant{
	"the flight is sealed after the store": {
		"output/fill.go", []string{"\tf.flight.Seal()\n", "", "\tc.at(\"store\")\n", "\tc.at(\"store\")\n\tf.flight.Seal()\n"},
		"TestI1_NoSchedule", "",
	},
	"the flight is never sealed": {
		"output/fill.go", []string{"\tf.flight.Seal()\n", ""}, "TestI1_NoSchedule", "",
	},
	"whoever joins late gets the stored page": {
		"output/mount.go", []string{"if !w.Early() {", "if false {"}, "TestI1_NoSchedule", "",
	},
	"a kept answer of an older flight is taken": {
		"output/mount.go", []string{"if w.Started() <= arrived {", "if false {"}, "TestI1_NoSchedule", "",
	},
	"waiters of a fenced fill are shown it": {
		"output/fill.go", []string{"f.end(outcome{kind: outcomeFenced})", "f.end(outcome{outcomeStored, p})"}, "TestI1_NoSchedule", "",
	},
	"a doubtful store counts as one": {
		"output/fill.go", []string{
			"c.counters.because(reasonBackend)\n\t\tf.end(outcome{outcomeKept, p})",
			"c.counters.because(reasonBackend)\n\t\tf.end(outcome{outcomeStored, p})",
		}, "TestI1_NoSchedule", "",
	},
	"a leader that may be late does not look again": {
		"output/mount.go", []string{"if role == flight.LeadAgain {", "if false {"}, "TestStampedeIsOneFill", "",
	},
	"a leader that finds the page keeps its flight": {
		"output/mount.go", []string{"\t\t\t\tf.Abandon()\n", ""}, "TestI1_NoSchedule|TestStampedeIsOneFill", "",
	},
	"a panic leaves the waiters behind": {
		"output/fill.go", []string{"\t\t\tf.broken()\n", ""}, "TestStampede", "",
	},
	"nobody remembers what is not worth keeping": {
		"output/fill.go", []string{"c.dull.remember([]byte(q.key))", "_ = 0"}, "TestUncacheable", "",
	},
	"Seal does nothing": {
		"internal/flight/flight.go", []string{"\tf.sealed = true\n", ""}, "Flight", "internal/flight",
	},
	"a flight ends twice": {
		"internal/flight/flight.go", []string{"if f.ended {", "if false {"}, "Flight", "internal/flight",
	},
	"an ended flight stays": {
		"internal/flight/flight.go", []string{"\tdelete(g.flights, f.key)\n", ""}, "Flight", "internal/flight",
	},
	"nobody remembers when a flight ended": {
		"internal/flight/flight.go", []string{"\tg.stripe(f.key).Store(uint64(g.Now()))\n", ""}, "Flight", "internal/flight",
	},
	"patience has no end": {
		"internal/flight/flight.go", []string{"time.AfterFunc(patience, f.Abandon)", "time.AfterFunc(1<<62, f.Abandon)"},
		"TestFlightIsAbandoned", "internal/flight",
	},
}

// TestMutantsOfTheSourceAreCaught builds the tests with one mistake at a time and wants them to fail. The source itself
// has no switches for it.
func TestMutantsOfTheSourceAreCaught(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the package once a mutant")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if said := m.run(t, root); !strings.Contains(said, "--- FAIL") {
				t.Errorf("%s does not find it:\n%s", m.test, said)
			}
		})
	}
}

// run returns what the tests say of the mutant.
func (m mutant) run(t *testing.T, root string) string {
	t.Helper()
	path := filepath.Join(root, m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for i := 0; i < len(m.edit); i += 2 {
		if n := strings.Count(text, m.edit[i]); n != 1 {
			t.Fatalf("%q stands %d times in %s: the mutant must follow the source", m.edit[i], n, m.file)
		}
		text = strings.Replace(text, m.edit[i], m.edit[i+1], 1)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{changed: []byte(text), overlay: list} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := m.in
	if in == "" {
		in = "output"
	}
	args := []string{"test", "-overlay", overlay, "-count", "1", "-vet", "off", "-timeout", "60s", "-run", m.test, "."}
	if in == "output" {
		args = append(args, "-rapid.nofailfile")
	}
	run := exec.CommandContext(t.Context(), "go", args...)
	run.Dir = filepath.Join(root, in)
	said, _ := run.CombinedOutput() // it is meant to fail
	if strings.Contains(string(said), "[build failed]") {
		t.Fatalf("the mutant does not build:\n%s", said)
	}
	return string(said)
}
