package store_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sourceMutant is a mistake in the source of this package: old texts and the new ones, in pairs. MUTANT in a new text is
// true when this mutant is wanted.
type sourceMutant struct {
	file string
	edit []string
}

// historyTests are the tests that must notice every mistake.
const historyTests = "TestI1_Forgetting|TestI1_OverlappingWriters|TestI1_TwoWriters|TestStampedeIsOneLoad|TestHistory"

var sourceMutants = map[string]sourceMutant{
	"the flight is sealed after the store": {"load.go", []string{
		"if !j.flight.Seal() {", "if !MUTANT && !j.flight.Seal() {",
		"\tc.at(\"store\")\n", "\tc.at(\"store\")\n\tif MUTANT {\n\t\tj.flight.Seal()\n\t}\n",
	}},
	"whoever joins late is given the stored value": {"fetch.go", []string{
		"if !w.leads && !w.waiter.Early() {", "if !w.leads && !w.waiter.Early() && !MUTANT {",
	}},
	"a kept value of an older load is taken": {"fetch.go", []string{
		"if !w.leads && w.waiter.Started() <= arrived {", "if !w.leads && w.waiter.Started() <= arrived && !MUTANT {",
	}},
	"waiters of a fenced load are given its value": {"fetch.go", []string{
		"case outcomeFenced:\n\t\tif !w.leads {", "case outcomeFenced:\n\t\tif !w.leads && !MUTANT {",
	}},
	"a fenced load counts as stored": {"load.go", []string{
		"return outcomeFenced", "if MUTANT {\n\t\t\treturn outcomeStored\n\t\t}\n\t\treturn outcomeFenced",
	}},
	"a doubtful load counts as stored": {"load.go", []string{
		"case Unknown, Refused:\n", "case Unknown, Refused:\n\t\tif MUTANT {\n\t\t\treturn outcomeStored\n\t\t}\n",
	}},
	"the fence is taken after the load": {"load.go", []string{
		"\tverdict, err := c.backend.Store(", "\tif MUTANT {\n\t\tr.Fence = c.fenceOf(ctx, j.full)\n\t}\n\tverdict, err := c.backend.Store(",
	}},
	"a leader that may be late does not look again": {"fetch.go", []string{
		"if len(again) > 0 {", "if MUTANT {\n\t\tmine, again = append(mine, again...), nil\n\t}\n\tif len(again) > 0 {",
	}},
	"a leader that finds the value keeps its flight": {"fetch.go", []string{
		"w.flight.Finish(outcome{kind: outcomeFound})", "if !MUTANT {\n\t\t\t\tw.flight.Finish(outcome{kind: outcomeFound})\n\t\t\t}",
	}},
	"a refresh that is not due keeps its flight": {"refresh.go", []string{
		"j.flight.Finish(outcome{kind: outcomeFound})", "if !MUTANT {\n\t\t\tj.flight.Finish(outcome{kind: outcomeFound})\n\t\t}",
	}},
	"a refresh has no flight that others can find": {"refresh.go", []string{
		"c.flights.Lead(c.flightKey(j.full),", "c.flights.Lead(c.flightKey(j.full)+map[bool]string{true: \"x\"}[MUTANT],",
	}},
	"the leader's stale value is given to all who wait": {"load.go", []string{
		"outcome{kind: outcomeFailed, err: j.err}", "outcome{kind: outcomeFailed, err: j.err, value: map[bool]*value{true: j.base}[MUTANT]}",
	}},
	"a failed load is answered for ever from the stale value": {"fetch.go", []string{
		"\t\tif r == nil || left <= 0 {\n",
		"\t\tif v, ok := mutantStale.Load(mutantKey{c.Store, w.full}); MUTANT && ok && r == nil && c.throttled.holds(w.full) {\n" +
			"\t\t\town, _ := c.own(v.(*value))\n\t\t\tc.serveStale(w, own)\n\t\t}\n\t\tif r == nil || left <= 0 {\n",
		"\t\tw.stale = v\n", "\t\tw.stale = v\n\t\tmutantStale.Store(mutantKey{c.Store, w.full}, v)\n",
	}},
	"one who leaves takes another along": {"fetch.go", []string{
		"case <-ctx.Done():\n\t\tw.waiter.Leave()\n", "case <-ctx.Done():\n\t\tw.waiter.Leave()\n\t\tif MUTANT {\n\t\t\tw.waiter.Leave()\n\t\t}\n",
	}},
	"what is not modified loses its tags": {"load.go", []string{
		"d.tags = append(d.tags, j.base.tags...)", "if !MUTANT {\n\t\t\td.tags = append(d.tags, j.base.tags...)\n\t\t}",
	}},
	"tags of the load are lost": {"load.go", []string{
		"slices.Concat(o.Tags, d.tags)", "slices.Concat(o.Tags, map[bool][]string{false: d.tags}[MUTANT])",
	}},
	"absence has no tags": {"load.go", []string{
		"\tv.tags = r.Tags\n", "\tif MUTANT && v.absent {\n\t\tr.Tags = nil\n\t}\n\tv.tags = r.Tags\n",
	}},
	"tags for one key of many go to none": {"current.go", []string{
		"d.tags = slices.Concat(all.tags, d.tags)", "if MUTANT {\n\t\td.tags = nil\n\t}\n\td.tags = slices.Concat(all.tags, d.tags)",
	}},
	"memory gives what is not fresh": {"getorset.go", []string{
		"if v.id != k.id || v.left(left) <= 0 {", "if v.id != k.id || v.left(left) <= 0 && !MUTANT {",
	}},
	"Get gives what is not fresh": {"getorset.go", []string{
		"if v.absent || v.left(found[0].Left) <= 0 {", "if v.absent || v.left(found[0].Left) <= 0 && !MUTANT {",
	}},
	"an abandoned load is kept": {"load.go", []string{
		"\t\treturn // nobody waits for it any more", "\t\tif MUTANT {\n\t\t\trecord.Value = o.value.encode(j.key)\n\t\t\tc.keep(ctx, j, record)\n\t\t}\n\t\treturn // nobody waits for it any more",
	}},
	"callers share what can be changed": {"load.go", []string{
		"if c.kind.plain || c.options.Immutable {", "if c.kind.plain || c.options.Immutable || MUTANT {",
		"case v.shared != nil && (c.kind.plain || c.options.Immutable):", "case v.shared != nil && (c.kind.plain || c.options.Immutable || MUTANT):",
	}},
	"loads are counted in and not out": {"load.go", []string{
		"c.loading.Add(-1)", "if !MUTANT {\n\t\tc.loading.Add(-1)\n\t}",
	}},
	"loads are not counted": {"load.go", []string{
		"c.loading.Add(1)", "if !MUTANT {\n\t\tc.loading.Add(1)\n\t}",
	}},
	"Set does not beat loads": {"set.go", []string{
		"\treturn w.replace(ctx)\n", "\tif MUTANT && w.kept {\n\t\t_, err = s.backend.Store(ctx, w.full, w.record)\n\t\treturn err\n\t}\n\treturn w.replace(ctx)\n",
	}},
	"WriteThrough takes its fence after the write": {"set.go", []string{
		"\t// It is written:", "\tif MUTANT {\n\t\tw.record.Fence = s.fenceOf(ctx, w.full)\n\t}\n\t// It is written:",
	}},
	"WriteThrough evicts no tags": {"set.go", []string{
		"\t// It is written:", "\tif MUTANT {\n\t\to.Tags = nil\n\t}\n\t// It is written:",
	}},
	"WriteThrough keeps and does not evict": {"set.go", []string{
		"\t// It is written:", "\tif MUTANT {\n\t\t_, err = s.backend.Store(ctx, w.full, w.record)\n\t\treturn err\n\t}\n\t// It is written:",
	}},
	"what cannot be kept is not evicted either": {"set.go", []string{
		"\tif !w.kept {\n", "\tif !w.kept && MUTANT {\n\t\treturn nil\n\t}\n\tif !w.kept {\n",
	}},
	"a write in two steps keeps what it wrote": {"set.go", []string{
		"\tif err != nil {\n\t\treturn fmt.Errorf(\"store: evict what", "\tif MUTANT && w.kept {\n\t\tr.Fence = w.fenceOf(ctx, w.full)\n\t\t_, _ = w.backend.Store(ctx, w.full, r)\n\t}\n\tif err != nil {\n\t\treturn fmt.Errorf(\"store: evict what",
	}},
	"Delete forgets one key": {"store.go", []string{
		"s.backend.Delete(ctx, full...)", "s.backend.Delete(ctx, full[:map[bool]int{true: 1, false: len(full)}[MUTANT]]...)",
	}},
	"Evict forgets one tag": {"store.go", []string{
		"s.backend.Evict(ctx, tags...)", "s.backend.Evict(ctx, tags[:map[bool]int{true: 1, false: len(tags)}[MUTANT]]...)",
	}},
}

// alsoThere completes mutants that change a second file: its old text and the new one.
var alsoThere = map[string]sourceMutant{
	"the leader's stale value is given to all who wait": {"fetch.go", []string{
		"case outcomeFailed:\n", "case outcomeFailed:\n\t\tif o.value != nil {\n\t\t\tw.stale = o.value\n\t\t}\n",
	}},
}

// TestMutantsOfTheSourceOfValuesAreCaught builds the tests of this package over a source with all mistakes in it, and
// runs the histories with one at a time; with none they must pass. The real source has no switches.
func TestMutantsOfTheSourceOfValuesAreCaught(t *testing.T) {
	t.Parallel()
	if os.Getenv("MUTANTS") == "" {
		t.Skip("it runs the tests once a mutant: make mutants, or MUTANTS=1")
	}
	binary := buildSourceMutants(t)
	if said, found := runSourceMutant(t, binary, ""); found {
		t.Fatalf("the tests fail without a mutant:\n%s", said)
	}
	for name := range sourceMutants {
		said, found := runSourceMutant(t, binary, name)
		if !found {
			t.Errorf("%s: not found:\n%s", name, said)
			continue
		}
		t.Logf("%s: found by %s", name, firstFault(said))
	}
}

// firstFault returns what a run says first about the mistake that it has found.
func firstFault(said string) string {
	for line := range strings.Lines(said) {
		if strings.Contains(line, "_test.go:") && !strings.Contains(line, "[rapid] OK") {
			return strings.TrimSpace(line)
		}
	}
	return "a panic"
}

const mutantSource = `package store

import (
	"os"
	"sync"
)

var wanted = os.Getenv("MUTANT")

func mutant(name string) bool { return name == wanted }

type mutantKey struct {
	store *Store
	key   string
}

var mutantStale sync.Map
`

// buildSourceMutants returns the test binary of the package with all mutants in its source.
func buildSourceMutants(t *testing.T) (binary string) {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"mutant.go": mutantSource}
	for _, all := range []map[string]sourceMutant{sourceMutants, alsoThere} {
		for name, m := range all {
			texts[m.file] = m.apply(t, name, texts[m.file])
		}
	}
	made := t.TempDir()
	replace := make(map[string]string)
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
func (m sourceMutant) apply(t *testing.T, name, text string) string {
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

// runSourceMutant runs the histories with a mutant, or with none if name is "". It returns what they say, and whether
// they failed.
func runSourceMutant(t *testing.T, binary, name string) (said string, found bool) {
	t.Helper()
	run := exec.CommandContext(t.Context(), binary, "-test.short", "-test.failfast", "-test.timeout", "60s",
		"-test.run", historyTests, "-rapid.nofailfile", "-rapid.shrinktime", "1ms")
	run.Dir = t.TempDir()
	run.Env = append(os.Environ(), "MUTANT="+name)
	out, err := run.CombinedOutput()
	// A binary that did not understand its arguments fails as well, and has found nothing.
	said = string(out)
	return said, err != nil && (strings.Contains(said, "--- FAIL") || strings.Contains(said, "panic: "))
}
