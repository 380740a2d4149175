package store_test

import (
	"testing"

	"github.com/echocache/echocache/internal/mutants"
)

// historyTests are the tests that must notice every mistake.
const historyTests = "TestI1_Forgetting|TestI1_OverlappingWriters|TestI1_TwoWriters|TestStampedeIsOneLoad|TestHistory"

var sourceMutants = map[string]mutants.Mutant{
	"the flight is sealed after the store": {File: "load.go", Edit: []string{
		"if !j.flight.Seal() {", "if !MUTANT && !j.flight.Seal() {",
		"\tc.at(\"store\")\n", "\tc.at(\"store\")\n\tif MUTANT {\n\t\tj.flight.Seal()\n\t}\n",
	}},
	"whoever joins late is given the stored value": {File: "fetch.go", Edit: []string{
		"if !w.leads && !w.waiter.Early() {", "if !w.leads && !w.waiter.Early() && !MUTANT {",
	}},
	"a kept value of an older load is taken": {File: "fetch.go", Edit: []string{
		"if !w.leads && w.waiter.Started() <= arrived {", "if !w.leads && w.waiter.Started() <= arrived && !MUTANT {",
	}},
	"waiters of a fenced load are given its value": {File: "fetch.go", Edit: []string{
		"case outcomeFenced:\n\t\tif !w.leads {", "case outcomeFenced:\n\t\tif !w.leads && !MUTANT {",
	}},
	"a fenced load counts as stored": {File: "load.go", Edit: []string{
		"return outcomeFenced", "if MUTANT {\n\t\t\treturn outcomeStored\n\t\t}\n\t\treturn outcomeFenced",
	}},
	"a doubtful load counts as stored": {File: "load.go", Edit: []string{
		"case Unknown, Refused:\n", "case Unknown, Refused:\n\t\tif MUTANT {\n\t\t\treturn outcomeStored\n\t\t}\n",
	}},
	"the fence is taken after the load": {File: "load.go", Edit: []string{
		"\tverdict, err := c.backend.Store(", "\tif MUTANT {\n\t\tr.Fence = c.fenceOf(ctx, j.full)\n\t}\n\tverdict, err := c.backend.Store(",
	}},
	"a leader that may be late does not look again": {File: "fetch.go", Edit: []string{
		"if len(again) > 0 {", "if MUTANT {\n\t\tmine, again = append(mine, again...), nil\n\t}\n\tif len(again) > 0 {",
	}},
	"a leader that finds the value keeps its flight": {File: "fetch.go", Edit: []string{
		"w.flight.Finish(outcome{kind: outcomeFound})", "if !MUTANT {\n\t\t\t\tw.flight.Finish(outcome{kind: outcomeFound})\n\t\t\t}",
	}},
	"a refresh that is not due keeps its flight": {File: "refresh.go", Edit: []string{
		"j.flight.Finish(outcome{kind: outcomeFound})", "if !MUTANT {\n\t\t\tj.flight.Finish(outcome{kind: outcomeFound})\n\t\t}",
	}},
	"a refresh has no flight that others can find": {File: "refresh.go", Edit: []string{
		"c.flights.Lead(c.flightKey(j.full),", "c.flights.Lead(c.flightKey(j.full)+map[bool]string{true: \"x\"}[MUTANT],",
	}},
	"the leader's stale value is given to all who wait": {File: "load.go", Edit: []string{
		"outcome{kind: outcomeFailed, err: j.err}", "outcome{kind: outcomeFailed, err: j.err, value: map[bool]*value{true: j.base}[MUTANT]}",
	}},
	"a failed load is answered for ever from the stale value": {File: "fetch.go", Edit: []string{
		"\t\tif r == nil || left <= 0 {\n",
		"\t\tif v, ok := mutantStale.Load(mutantKey{c.Store, w.full}); MUTANT && ok && r == nil && c.throttled.holds(w.full) {\n" +
			"\t\t\town, _ := c.own(v.(*value))\n\t\t\tc.serveStale(w, own)\n\t\t}\n\t\tif r == nil || left <= 0 {\n",
		"\t\tw.stale = v\n", "\t\tw.stale = v\n\t\tmutantStale.Store(mutantKey{c.Store, w.full}, v)\n",
	}},
	"one who leaves takes another along": {File: "fetch.go", Edit: []string{
		"case <-ctx.Done():\n\t\tw.waiter.Leave()\n", "case <-ctx.Done():\n\t\tw.waiter.Leave()\n\t\tif MUTANT {\n\t\t\tw.waiter.Leave()\n\t\t}\n",
	}},
	"what is not modified loses its tags": {File: "load.go", Edit: []string{
		"for _, tag := range j.base.tags {", "for _, tag := range j.base.tags[:map[bool]int{false: len(j.base.tags)}[MUTANT]] {",
	}},
	"tags of the load are lost": {File: "load.go", Edit: []string{
		"slices.Concat(o.Tags, d.tags)", "slices.Concat(o.Tags, map[bool][]string{false: d.tags}[MUTANT])",
	}},
	"absence has no tags": {File: "load.go", Edit: []string{
		"\tv.tags = r.Tags\n", "\tif MUTANT && v.absent {\n\t\tr.Tags = nil\n\t}\n\tv.tags = r.Tags\n",
	}},
	"tags for one key of many go to none": {File: "current.go", Edit: []string{
		"d.tags = slices.Concat(all.tags, d.tags)", "if MUTANT {\n\t\td.tags = nil\n\t}\n\td.tags = slices.Concat(all.tags, d.tags)",
	}},
	"memory gives what is not fresh": {File: "getorset.go", Edit: []string{
		"if v.id != k.id || v.left(left) <= 0 {", "if v.id != k.id || v.left(left) <= 0 && !MUTANT {",
	}},
	"Get gives what is not fresh": {File: "getorset.go", Edit: []string{
		"if v.absent || v.left(found[0].Left) <= 0 {", "if v.absent || v.left(found[0].Left) <= 0 && !MUTANT {",
	}},
	"an abandoned load is kept": {File: "load.go", Edit: []string{
		"\t\treturn // nobody waits for it any more", "\t\tif MUTANT {\n\t\t\trecord.Value = o.value.encode(j.key)\n\t\t\tc.keep(ctx, j, record)\n\t\t}\n\t\treturn // nobody waits for it any more",
	}},
	"callers share what can be changed": {File: "load.go", Edit: []string{
		"if c.kind.plain || c.options.Immutable {", "if c.kind.plain || c.options.Immutable || MUTANT {",
		"case v.shared != nil && (c.kind.plain || c.options.Immutable):", "case v.shared != nil && (c.kind.plain || c.options.Immutable || MUTANT):",
	}},
	"loads are counted in and not out": {File: "load.go", Edit: []string{
		"c.loading.Add(-1)", "if !MUTANT {\n\t\tc.loading.Add(-1)\n\t}",
	}},
	"loads are not counted": {File: "load.go", Edit: []string{
		"c.loading.Add(1)", "if !MUTANT {\n\t\tc.loading.Add(1)\n\t}",
	}},
	"Set does not beat loads": {File: "set.go", Edit: []string{
		"\treturn w.replace(ctx)\n", "\tif MUTANT && w.kept {\n\t\t_, err = s.backend.Store(ctx, w.full, w.record)\n\t\treturn err\n\t}\n\treturn w.replace(ctx)\n",
	}},
	"WriteThrough takes its fence after the write": {File: "set.go", Edit: []string{
		"\t// It is written:", "\tif MUTANT {\n\t\tw.record.Fence = s.fenceOf(ctx, w.full)\n\t}\n\t// It is written:",
	}},
	"WriteThrough evicts no tags": {File: "set.go", Edit: []string{
		"\t// It is written:", "\tif MUTANT {\n\t\to.Tags = nil\n\t}\n\t// It is written:",
	}},
	"WriteThrough keeps and does not evict": {File: "set.go", Edit: []string{
		"\t// It is written:", "\tif MUTANT {\n\t\t_, err = s.backend.Store(ctx, w.full, w.record)\n\t\treturn err\n\t}\n\t// It is written:",
	}},
	"what cannot be kept is not evicted either": {File: "set.go", Edit: []string{
		"\tif !w.kept {\n", "\tif !w.kept && MUTANT {\n\t\treturn nil\n\t}\n\tif !w.kept {\n",
	}},
	"a write in two steps keeps what it wrote": {File: "set.go", Edit: []string{
		"\tif err != nil {\n\t\treturn fmt.Errorf(\"store: evict what", "\tif MUTANT && w.kept {\n\t\tr.Fence = w.fenceOf(ctx, w.full)\n\t\t_, _ = w.backend.Store(ctx, w.full, r)\n\t}\n\tif err != nil {\n\t\treturn fmt.Errorf(\"store: evict what",
	}},
	"Delete forgets one key": {File: "store.go", Edit: []string{
		"s.backend.Delete(ctx, full...)", "s.backend.Delete(ctx, full[:map[bool]int{true: 1, false: len(full)}[MUTANT]]...)",
	}},
	"Evict forgets one tag": {File: "store.go", Edit: []string{
		"s.backend.Evict(ctx, tags...)", "s.backend.Evict(ctx, tags[:map[bool]int{true: 1, false: len(tags)}[MUTANT]]...)",
	}},
}

// alsoThere completes mutants that change a second file.
var alsoThere = map[string]mutants.Mutant{
	"a failed load is answered for ever from the stale value": {File: "throttle.go", Edit: []string{
		"const maxThrottled = 1 << 16\n", "const maxThrottled = 1 << 16\n\n" +
			"type mutantKey struct {\n\tstore *Store\n\tkey   string\n}\n\nvar mutantStale sync.Map\n",
	}},
	"the leader's stale value is given to all who wait": {File: "fetch.go", Edit: []string{
		"case outcomeFailed:\n", "case outcomeFailed:\n\t\tif o.value != nil {\n\t\t\tw.stale = o.value\n\t\t}\n",
	}},
}

// TestMutantsOfTheSourceOfValuesAreCaught runs the histories with one mistake at a time; with none they must pass.
func TestMutantsOfTheSourceOfValuesAreCaught(t *testing.T) {
	t.Parallel()
	mutants.Wanted(t)
	binary := mutants.Build(t, ".", sourceMutants, alsoThere)
	run := func(name string) (said string, found bool) {
		return mutants.Run(t, binary, t.TempDir(), name, "-test.short", "-test.failfast", "-test.timeout", "60s",
			"-test.run", historyTests, "-rapid.nofailfile", "-rapid.shrinktime", "1ms")
	}
	if said, found := run(""); found {
		t.Fatalf("the tests fail without a mutant:\n%s", said)
	}
	for name := range sourceMutants {
		said, found := run(name)
		if !found {
			t.Errorf("%s: not found:\n%s", name, said)
			continue
		}
		t.Logf("%s: found by %s", name, mutants.FirstFault(said))
	}
}
