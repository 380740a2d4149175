package breaker_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mutant is a mistake in the source of this package: old texts and the new ones, in pairs. MUTANT in a new text is
// whether this mutant is the one that runs.
type mutant struct {
	file string
	edit []string
}

var mutants = map[string]mutant{
	// I-2, what is queued is honoured.
	"stores what is queued": {"read.go", []string{
		"if b.ledger.holds(key, r.Tags) {", "if !MUTANT && b.ledger.holds(key, r.Tags) {",
	}},
	"finds what is queued": {"read.go", []string{
		"if f.Record != nil && !b.stands(", "if !MUTANT && f.Record != nil && !b.stands(",
	}},
	"peeks at what is queued": {"guard.go", []string{
		"if !ok || !p.breaker.stands(", "if !ok || !MUTANT && !p.breaker.stands(",
	}},
	"is passed by": {"breaker.go", []string{
		"return b.guard }", "if MUTANT {\n\t\treturn b.backend\n\t}\n\treturn b.guard }",
	}},
	"writes past those who wait": {"evict.go", []string{
		"switch b.ledger.mode.Load() {",
		"switch m := b.ledger.mode.Load(); map[bool]mode{true: min(m, calm), false: m}[MUTANT] {",
	}},

	// I-1, what is in flight.
	"does not see an eviction overtake a store": {"read.go", []string{
		"case verdict == store.Stored && b", "case !MUTANT && verdict == store.Stored && b",
	}},
	"does not see an eviction overtake a Replace": {"guard.go", []string{
		"if verdict == store.Stored && b", "if !MUTANT && verdict == store.Stored && b",
	}},
	"does not see a confirmation overtake a look-up": {"read.go", []string{
		"tags) && b.ledger.confirmed.Load() == confirmed", "tags) && (MUTANT || b.ledger.confirmed.Load() == confirmed)",
	}},

	// I-2, nothing is lost.
	"closes before the journal is empty": {"ledger.go", []string{
		"if !l.tripped && len(l.entries) == 0 {", "if !l.tripped && (MUTANT || len(l.entries) == 0) {",
	}},
	"believes before the file is replayed": {"ledger.go", []string{
		"l.behind || len(names) > 0", "l.behind || len(names) > 0 && !MUTANT",
	}},
	"loses one on overflow": {"ledger.go", []string{
		"\t\tl.flooded = true\n", "\t\tl.flooded = true\n\t\tif MUTANT {\n\t\t\tdelete(l.entries, names[0])\n\t\t}\n",
	}},
	"believes on overflow": {"ledger.go", []string{
		"return true\n\t}\n\tif _, ok := l.entries[name{ofKey", "return !MUTANT\n\t}\n\tif _, ok := l.entries[name{ofKey",
	}},
	"believes after the first confirmation of an overflow": {"ledger.go", []string{
		"if len(l.entries) == 0 {\n\t\tl.flooded", "if MUTANT || len(l.entries) == 0 {\n\t\tl.flooded",
	}},
	"takes an earlier confirmation for a later eviction": {"ledger.go", []string{
		"if l.entries[q.name].turn == q.turn {", "if MUTANT || l.entries[q.name].turn == q.turn {",
	}},
	"does not queue what failed": {"evict.go", []string{
		"\treturn verdict, b.queue(names, err)", "\tif MUTANT {\n\t\treturn verdict, errPending\n\t}\n\treturn verdict, b.queue(names, err)",
	}},
	"loses what panicked": {"evict.go", []string{"if !settled {", "if !settled && !MUTANT {"}},
	"lets one that is refused keep the others": {"keeper.go", []string{
		"case len(sent) == 1:", "case MUTANT || len(sent) == 1:",
	}},
	"says nothing at Close": {"breaker.go", []string{
		"errs := []error{b.left()}", "errs := []error{b.left()}\n\tif MUTANT {\n\t\terrs = nil\n\t}",
	}},
	"does not cut a retry short at Close": {"keeper.go", []string{"\tk.cut()\n", "\tif !MUTANT {\n\t\tk.cut()\n\t}\n"}},
	"does not try at Close": {"keeper.go", []string{
		"for tries := 0; k.b.Pending() > 0; tries++ {", "for tries := 0; k.b.Pending() > 0 && !MUTANT; tries++ {",
	}},

	// The file.
	"does not write the file": {"ledger.go", []string{
		"unsaved = append(unsaved, n)", "if !MUTANT {\n\t\t\t\tunsaved = append(unsaved, n)\n\t\t\t}",
	}},
	"does not sync the file": {"file.go", []string{
		"err = f.disk.sync(f.out)", "if !MUTANT {\n\t\t\terr = f.disk.sync(f.out)\n\t\t}",
	}},
	"trusts a file whose sync has failed": {"file.go", []string{
		"a new file has to.\n\tf.unsure = true\n", "a new file has to.\n\tf.unsure = !MUTANT\n",
	}},
	"leaves half a line": {"file.go", []string{
		"return errors.Join(err, f.out.Truncate(f.size))", "if MUTANT {\n\t\treturn err\n\t}\n\treturn errors.Join(err, f.out.Truncate(f.size))",
	}},
	"drops what is queued from a new file": {"file.go", []string{
		"names := live()\n", "names := live()\n\tif MUTANT {\n\t\tnames = nil\n\t}\n",
	}},
	"never shortens the file": {"file.go", []string{
		"if len(names) > 0 && !f.unsure", "if (MUTANT || len(names) > 0) && !f.unsure",
	}},
	"overlooks damage": {"file.go", []string{"case len(rest) == 0:", "case MUTANT || len(rest) == 0:"}},
	"forgets an eviction asked for in vain twice": {"ledger.go", []string{
		"e.turn = turn\n", "e.turn = turn\n\t\te.saved = e.saved || MUTANT && len(l.entries) > 0\n",
	}},

	// The breaker.
	"lets callers probe": {"read.go", []string{
		"if b.ledger.mode.Load() >= shut {\n\t\treturn nil", "if !MUTANT && b.ledger.mode.Load() >= shut {\n\t\treturn nil",
		"if b.ledger.mode.Load() >= shut {\n\t\tdone(", "if !MUTANT && b.ledger.mode.Load() >= shut {\n\t\tdone(",
	}},
	"blames the backend for its callers": {"classify.go", []string{
		"case ctx.Err() != nil &&", "case !MUTANT && ctx.Err() != nil &&",
	}},
	"excuses the backend by its callers": {"classify.go", []string{
		"case errors.Is(err, overdue{}):\n\t\treturn Failure", "case errors.Is(err, overdue{}):\n\t\tif MUTANT {\n\t\t\treturn Ignored\n\t\t}\n\t\treturn Failure",
	}},
	"probes ever as soon": {"keeper.go", []string{
		"\td := min(first", "\tif MUTANT {\n\t\ttries = 0\n\t}\n\td := min(first",
	}},
	"believes a ping": {"keeper.go", []string{
		"if class := k.try(ctx, b.config.EvictTimeout, connect); class != Success {", "if class := k.try(ctx, b.config.EvictTimeout, connect); MUTANT || class != Success {",
	}},
	"waits for who has no time left": {"call.go", []string{
		"case <-ctx.Done():\n\t}\n\tleft", "case <-ctx.Done():\n\t\tif MUTANT {\n\t\t\treturn (<-answered).pass()\n\t\t}\n\t}\n\tleft",
	}},
	"waits for a place": {"call.go", []string{
		"\tdefault:\n\t\treturn none, errBusy", "\tdefault:\n\t\tif !MUTANT {\n\t\t\treturn none, errBusy\n\t\t}\n\t\tin <- struct{}{}",
	}},
	"gives the place back with the caller": {"call.go", []string{
		"\tleft.Store(true)\n", "\tleft.Store(true)\n\tif MUTANT {\n\t\t<-in\n\t\tgo func() { in <- struct{}{} }()\n\t}\n",
	}},
}

// TestMutantsOfTheSource shows that each of these mistakes is found.
func TestMutantsOfTheSource(t *testing.T) {
	t.Parallel()
	if os.Getenv("MUTANTS") == "" {
		t.Skip("it runs the tests once a mutant: make mutants, or MUTANTS=1")
	}
	binary := buildMutants(t)
	if said, failed := runMutant(t, binary, ""); failed {
		t.Fatalf("without a mistake the tests fail:\n%s", said)
	}
	for name := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, failed := runMutant(t, binary, name)
			if !failed {
				t.Fatal("the tests do not find it")
			}
			for line := range strings.Lines(said) {
				if strings.Contains(line, "_test.go:") {
					t.Log(strings.TrimSpace(line))
					break
				}
			}
		})
	}
}

const mutantSource = `package breaker

import "os"

var wanted = os.Getenv("MUTANT")

func mutant(name string) bool { return name == wanted }
`

// buildMutants returns the test binary of the package with all mutants in its source.
func buildMutants(t *testing.T) (binary string) {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"mutant.go": mutantSource}
	for _, name := range slices.Sorted(maps.Keys(mutants)) {
		m := mutants[name]
		texts[m.file] = m.apply(t, name, texts[m.file])
	}
	made, replace := t.TempDir(), map[string]string{}
	for file, text := range texts {
		replace[filepath.Join(dir, file)] = filepath.Join(made, file)
		if err := os.WriteFile(filepath.Join(made, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(made, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(made, "mutants")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the mutants do not build: %v\n%s", err, said)
	}
	return binary
}

// apply puts the mistake into text, which is what the file has become so far; "" is not read yet.
func (m mutant) apply(t *testing.T, name, text string) string {
	t.Helper()
	if text == "" {
		source, err := os.ReadFile(m.file)
		if err != nil {
			t.Fatal(err)
		}
		text = string(source)
	}
	for i := 0; i < len(m.edit); i += 2 {
		if n := strings.Count(text, m.edit[i]); n != 1 {
			t.Fatalf("%s: %q stands %d times in %s: the mutant must follow the source", name, m.edit[i], n, m.file)
		}
		mutated := strings.ReplaceAll(m.edit[i+1], "MUTANT", "mutant("+strconv.Quote(name)+")")
		text = strings.Replace(text, m.edit[i], mutated, 1)
	}
	return text
}

// runMutant runs the tests with a mutant, or with none if name is "". A run that does not end has failed.
func runMutant(t *testing.T, binary, name string) (said string, failed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, binary, "-test.short", "-test.timeout=15s", "-rapid.nofailfile")
	run.Env = append(os.Environ(), "MUTANT="+name, "MUTANTS=")
	text, err := run.CombinedOutput()
	return string(text), err != nil
}
