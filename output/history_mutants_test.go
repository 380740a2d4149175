package output_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// mutant is a mistake in the source of a package of this module: old texts and the new ones, in pairs. MUTANT in a new
// text is true when this mutant is wanted.
type mutant struct {
	file string
	edit []string
	test string // the tests that must find it
}

const everyPlaceTest = "TestI1_EvictionAtEveryPlaceOfAFill"

// Mistakes where many requests meet, by package. The tests must notice each of them.
var mutants = map[string]map[string]mutant{
	"output": {
		"the flight is sealed after the store": {"fill.go", []string{
			"\tf.flight.Seal()\n", "\tif !MUTANT {\n\t\tf.flight.Seal()\n\t}\n",
			"\tc.at(\"store\")\n", "\tc.at(\"store\")\n\tif MUTANT {\n\t\tf.flight.Seal()\n\t}\n",
		}, everyPlaceTest},
		"whoever joins late is shown the stored page": {"mount.go", []string{
			"if !w.Early() {", "if !w.Early() && !MUTANT {",
		}, everyPlaceTest},
		"a kept answer of an older flight is taken": {"mount.go", []string{
			"if w.Started() <= arrived {", "if w.Started() <= arrived && !MUTANT {",
		}, everyPlaceTest},
		"waiters of a fenced fill are shown it": {"fill.go", []string{
			"f.end(outcome{kind: outcomeFenced})", "if MUTANT {\n\t\tf.end(outcome{outcomeStored, p, r.TTL})\n\t}\n\tf.end(outcome{kind: outcomeFenced})",
		}, everyPlaceTest},
		"a doubtful store counts as one": {"fill.go", []string{
			"c.counters.because(reasonBackend)\n", "if MUTANT {\n\t\tf.end(outcome{outcomeStored, p, r.TTL})\n\t}\n",
		}, everyPlaceTest},
		"a leader that may be late does not look again": {"mount.go", []string{
			"if role == flight.LeadAgain {", "if role == flight.LeadAgain && !MUTANT {",
		}, "TestStampedeIsOneFill"},
		"a leader that finds the page keeps its flight": {"mount.go", []string{
			"\t\t\t\tf.Abandon()\n", "if !MUTANT {\n\t\tf.Abandon()\n\t}\n",
		}, "TestStampedeALateLeader"},
		"a panic leaves the waiters behind": {"fill.go", []string{
			"\t\t\tf.broken()\n", "if !MUTANT {\n\t\tf.broken()\n\t}\n",
		}, "TestStampedeSurvivesItsLeader"},
		"nobody remembers what is not worth keeping": {"fill.go", []string{
			"c.dull.remember([]byte(q.key))", "if !MUTANT {\n\t\tc.dull.remember([]byte(q.key))\n\t}",
		}, "TestUncacheable"},
	},
	"internal/flight": {
		"Seal does nothing":                    {"flight.go", []string{"f.sealed = true", "f.sealed = !MUTANT"}, "."},
		"a flight ends twice":                  {"flight.go", []string{"if f.ended {", "if f.ended && !MUTANT {"}, "."},
		"an ended flight stays":                {"flight.go", []string{"delete(g.flights, f.key)", "if !MUTANT {\n\t\tdelete(g.flights, f.key)\n\t}"}, "."},
		"nobody remembers when a flight ended": {"flight.go", []string{"if g.stripe(key).Load() > uint64(since) {", "if g.stripe(key).Load() > uint64(since) && !MUTANT {"}, "."},
		"patience has no end":                  {"flight.go", []string{"time.AfterFunc(patience, f.Abandon)", "time.AfterFunc(patience, func() {\n\t\tif !MUTANT {\n\t\t\tf.Abandon()\n\t\t}\n\t})"}, "."},
	},
}

// TestMutantsOfTheSourceAreCaught builds the tests of each package over a source with all its mistakes in it, and runs
// them with one at a time; with none they must pass. The real source has no switches.
func TestMutantsOfTheSourceAreCaught(t *testing.T) {
	t.Parallel()
	if os.Getenv("MUTANTS") == "" {
		t.Skip("it runs the tests once a mutant: make mutants, or MUTANTS=1")
	}
	for in, all := range mutants {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			binary := buildMutants(t, filepath.Join("..", in), all)
			control := "."
			if in == "output" {
				control = "TestI1_EvictionAt|TestStampede|TestUncacheable"
			}
			if said, found := runMutant(t, binary, "", control); found {
				t.Fatalf("the tests fail without a mutant:\n%s", said)
			}
			for name, m := range all {
				if said, found := runMutant(t, binary, name, m.test); !found {
					t.Errorf("%s: %s does not find it:\n%s", name, m.test, said)
				}
			}
		})
	}
}

// buildMutants returns the test binary of the package in dir with all mutants in its source.
func buildMutants(t *testing.T, dir string, all map[string]mutant) (binary string) {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"mutant.go": "package " + filepath.Base(dir) + `
import "os"
var wanted = os.Getenv("MUTANT")
func mutant(name string) bool { return name == wanted }
`}
	for name, m := range all {
		if _, read := texts[m.file]; !read {
			source, err := os.ReadFile(filepath.Join(dir, m.file))
			if err != nil {
				t.Fatal(err)
			}
			texts[m.file] = string(source)
		}
		for i := 0; i < len(m.edit); i += 2 {
			if n := strings.Count(texts[m.file], m.edit[i]); n != 1 {
				t.Fatalf("%s: %q stands %d times in %s: the mutant must follow the source", name, m.edit[i], n, m.file)
			}
			text := strings.ReplaceAll(m.edit[i+1], "MUTANT", "mutant("+strconv.Quote(name)+")")
			texts[m.file] = strings.Replace(texts[m.file], m.edit[i], text, 1)
		}
	}
	made := t.TempDir()
	replace := make(map[string]string)
	for file, text := range texts {
		replace[filepath.Join(dir, file)] = writeMutant(t, filepath.Join(made, file), []byte(text))
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := writeMutant(t, filepath.Join(made, "overlay.json"), list)
	binary = filepath.Join(made, "mutants")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".")
	build.Dir = dir
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the mutants do not build: %v\n%s", err, said)
	}
	return binary
}

func writeMutant(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runMutant runs tests with a mutant, or with none if name is "". It returns what they say, and whether they failed.
func runMutant(t *testing.T, binary, name, tests string) (said string, found bool) {
	t.Helper()
	args := []string{"-test.short", "-test.failfast", "-test.timeout", "60s", "-test.run", tests}
	if tests != "." { // those of package output draw
		args = append(args, "-rapid.nofailfile", "-rapid.shrinktime", "1ms")
	}
	run := exec.CommandContext(t.Context(), binary, args...)
	run.Dir = t.TempDir() // the tests of the mutants need no file of the package
	run.Env = append(os.Environ(), "MUTANT="+name)
	out, err := run.CombinedOutput()
	// A binary that did not understand its arguments fails as well, and has found nothing.
	said = string(out)
	return said, err != nil && (strings.Contains(said, "--- FAIL") || strings.Contains(said, "panic: "))
}
