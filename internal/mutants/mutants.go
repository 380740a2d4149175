// Package mutants runs the tests of a package over its own source with mistakes in it, one at a time, to show that they
// notice each. The real source has no switches: the mistakes are in an overlay for the compiler.
package mutants

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Mutant is a mistake in one file: old texts, each of which stands there once, and the new ones, in pairs. MUTANT in a new
// text is true when this mutant is wanted.
type Mutant struct {
	File string
	Edit []string
}

// source switches mutants on.
const source = `
import (
	"os"
	"strings"
)

var wantedMutant = os.Getenv("MUTANT")

func mutant(name string) bool { return name == wantedMutant }

// mutantText is for texts that are a source in themselves.
func mutantText(wanted bool, text, old, changed string) string {
	if !wanted || strings.Count(text, old) == 0 {
		return text
	}
	return strings.Replace(text, old, changed, 1)
}
`

// Wanted ends the test, loudly, unless it is to run: it takes a run of the tests for each mutant.
func Wanted(t *testing.T) {
	t.Helper()
	if os.Getenv("MUTANTS") == "" {
		t.Skip("it runs the tests once a mutant: make mutants, or MUTANTS=1")
	}
}

// Build returns the test binary of the package in dir with all mutants in its source. A mutant that stands in several of
// the maps changes several files.
func Build(t *testing.T, dir string, all ...map[string]Mutant) (binary string) {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"mutant.go": "package " + filepath.Base(dir) + "\n" + source}
	for _, some := range all {
		for _, name := range slices.Sorted(maps.Keys(some)) {
			m := some[name]
			if _, has := texts[m.File]; !has {
				texts[m.File] = string(read(t, filepath.Join(dir, m.File)))
			}
			texts[m.File] = m.apply(t, name, texts[m.File])
		}
	}
	made := t.TempDir()
	replace := make(map[string]string)
	for file, text := range texts {
		replace[filepath.Join(dir, file)] = write(t, filepath.Join(made, file), []byte(text))
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := write(t, filepath.Join(made, "overlay.json"), list)
	binary = filepath.Join(made, "mutants")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".")
	build.Dir = dir
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the mutants do not build: %v\n%s", err, said)
	}
	return binary
}

// apply puts the mistake into text, which is what the file has become so far.
func (m Mutant) apply(t *testing.T, name, text string) string {
	t.Helper()
	for i := 0; i < len(m.Edit); i += 2 {
		if n := strings.Count(text, m.Edit[i]); n != 1 {
			t.Fatalf("%s: %q stands %d times in %s: the mutant must follow the source", name, m.Edit[i], n, m.File)
		}
		mutated := strings.ReplaceAll(m.Edit[i+1], "MUTANT", "mutant("+strconv.Quote(name)+")")
		text = strings.Replace(text, m.Edit[i], mutated, 1)
	}
	return text
}

// Run runs the binary in dir with a mutant, or with none if name is "". It returns what the tests say, and whether they
// failed. A binary that did not understand its arguments fails as well, and has found nothing.
func Run(t *testing.T, binary, dir, name string, args ...string) (said string, found bool) {
	t.Helper()
	run := exec.CommandContext(t.Context(), binary, args...)
	run.Dir = dir
	// Tests that end in a panic leave their files behind, and perhaps a server that still writes while it dies.
	temp, err := os.MkdirTemp("", "mutant") //nolint:usetesting // that must be able to fail to go
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	run.Env = append(os.Environ(), "MUTANT="+name, "MUTANTS=", "TMPDIR="+temp)
	out, err := run.CombinedOutput()
	said = string(out)
	return said, err != nil && (strings.Contains(said, "--- FAIL") || strings.Contains(said, "panic: "))
}

// Check has the tests of the package in the current directory find each mutant, with args to run them by; without a mutant
// they must pass.
func Check(t *testing.T, all map[string]Mutant, args ...string) {
	t.Helper()
	Wanted(t)
	binary := Build(t, ".", all)
	if said, failed := Run(t, binary, ".", "", args...); failed {
		t.Fatalf("without a mistake the tests fail:\n%s", said)
	}
	for name := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, found := Run(t, binary, ".", name, args...)
			if !found {
				t.Fatalf("the tests do not find it:\n%s", said)
			}
			t.Log(FirstFault(said))
		})
	}
}

// FirstFault returns what a run says first about the mistake that it has found.
func FirstFault(said string) string {
	for line := range strings.Lines(said) {
		if strings.Contains(line, "_test.go:") && !strings.Contains(line, "[rapid] OK") {
			return strings.TrimSpace(line)
		}
	}
	return "a panic"
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
