package breaker_test

import (
	"testing"

	"github.com/echocache/echocache/internal/mutants"
)

// mistakes are those that must be found.
var mistakes = map[string]mutants.Mutant{
	// I-2, what is queued is honoured.
	"stores what is queued": {File: "read.go", Edit: []string{
		"if b.ledger.holds(key, r.Tags) {", "if !MUTANT && b.ledger.holds(key, r.Tags) {",
	}},
	"finds what is queued": {File: "read.go", Edit: []string{
		"if f.Record != nil && !b.stands(", "if !MUTANT && f.Record != nil && !b.stands(",
	}},
	"peeks at what is queued": {File: "guard.go", Edit: []string{
		"if !ok || !p.breaker.stands(", "if !ok || !MUTANT && !p.breaker.stands(",
	}},
	"is passed by": {File: "breaker.go", Edit: []string{
		"return b.guard }", "if MUTANT {\n\t\treturn b.backend\n\t}\n\treturn b.guard }",
	}},
	"writes past those who wait": {File: "evict.go", Edit: []string{
		"switch b.ledger.mode.Load() {",
		"switch m := b.ledger.mode.Load(); map[bool]mode{true: min(m, calm), false: m}[MUTANT] {",
	}},

	// I-1, what is in flight.
	"does not see an eviction overtake a store": {File: "read.go", Edit: []string{
		"case verdict == store.Stored && b", "case !MUTANT && verdict == store.Stored && b",
	}},
	"does not see an eviction overtake a Replace": {File: "guard.go", Edit: []string{
		"if verdict == store.Stored && b", "if !MUTANT && verdict == store.Stored && b",
	}},
	"does not see a confirmation overtake a look-up": {File: "read.go", Edit: []string{
		"tags) && b.ledger.confirmed.Load() == confirmed", "tags) && (MUTANT || b.ledger.confirmed.Load() == confirmed)",
	}},

	// I-2, nothing is lost.
	"closes before the journal is empty": {File: "ledger.go", Edit: []string{
		"if !l.tripped && len(l.entries) == 0 {", "if !l.tripped && (MUTANT || len(l.entries) == 0) {",
	}},
	"believes before the file is replayed": {File: "ledger.go", Edit: []string{
		"l.behind || len(names) > 0", "l.behind || len(names) > 0 && !MUTANT",
	}},
	"loses one on overflow": {File: "ledger.go", Edit: []string{
		"\t\tl.flooded = true\n", "\t\tl.flooded = true\n\t\tif MUTANT {\n\t\t\tdelete(l.entries, names[0])\n\t\t}\n",
	}},
	"believes on overflow": {File: "ledger.go", Edit: []string{
		"return true\n\t}\n\tif _, ok := l.entries[name{ofKey", "return !MUTANT\n\t}\n\tif _, ok := l.entries[name{ofKey",
	}},
	"believes after the first confirmation of an overflow": {File: "ledger.go", Edit: []string{
		"if len(l.entries) == 0 {\n\t\tl.flooded", "if MUTANT || len(l.entries) == 0 {\n\t\tl.flooded",
	}},
	"takes an earlier confirmation for a later eviction": {File: "ledger.go", Edit: []string{
		"if l.entries[q.name].turn == q.turn {", "if MUTANT || l.entries[q.name].turn == q.turn {",
	}},
	"does not queue what failed": {File: "evict.go", Edit: []string{
		"\treturn verdict, b.queue(names, err)", "\tif MUTANT {\n\t\treturn verdict, errPending\n\t}\n\treturn verdict, b.queue(names, err)",
	}},
	"loses what panicked": {File: "evict.go", Edit: []string{"if !settled {", "if !settled && !MUTANT {"}},
	"lets one that is refused keep the others": {File: "keeper.go", Edit: []string{
		"case len(sent) == 1:", "case MUTANT || len(sent) == 1:",
	}},
	"says nothing at Close": {File: "breaker.go", Edit: []string{
		"errs := []error{b.left()}", "errs := []error{b.left()}\n\tif MUTANT {\n\t\terrs = nil\n\t}",
	}},
	"does not cut a retry short at Close": {File: "keeper.go", Edit: []string{"\tk.cut()\n", "\tif !MUTANT {\n\t\tk.cut()\n\t}\n"}},
	"does not try at Close": {File: "keeper.go", Edit: []string{
		"for tries := 0; k.b.Pending() > 0; tries++ {", "for tries := 0; k.b.Pending() > 0 && !MUTANT; tries++ {",
	}},

	// The file.
	"does not write the file": {File: "ledger.go", Edit: []string{
		"unsaved = append(unsaved, n)", "if !MUTANT {\n\t\t\t\tunsaved = append(unsaved, n)\n\t\t\t}",
	}},
	"does not sync the file": {File: "file.go", Edit: []string{
		"err = f.disk.sync(f.out)", "if !MUTANT {\n\t\t\terr = f.disk.sync(f.out)\n\t\t}",
	}},
	"trusts a file whose sync has failed": {File: "file.go", Edit: []string{
		"a new file has to.\n\tf.unsure = true\n", "a new file has to.\n\tf.unsure = !MUTANT\n",
	}},
	"leaves half a line": {File: "file.go", Edit: []string{
		"return errors.Join(err, f.out.Truncate(f.size))", "if MUTANT {\n\t\treturn err\n\t}\n\treturn errors.Join(err, f.out.Truncate(f.size))",
	}},
	"drops what is queued from a new file": {File: "file.go", Edit: []string{
		"names := live()\n", "names := live()\n\tif MUTANT {\n\t\tnames = nil\n\t}\n",
	}},
	"never shortens the file": {File: "file.go", Edit: []string{
		"if len(names) > 0 && !f.unsure", "if (MUTANT || len(names) > 0) && !f.unsure",
	}},
	"overlooks damage": {File: "file.go", Edit: []string{"case len(rest) == 0:", "case MUTANT || len(rest) == 0:"}},
	"forgets an eviction asked for in vain twice": {File: "ledger.go", Edit: []string{
		"e.turn = turn\n", "e.turn = turn\n\t\te.saved = e.saved || MUTANT && len(l.entries) > 0\n",
	}},

	// The breaker.
	"lets callers probe": {File: "read.go", Edit: []string{
		"if b.ledger.mode.Load() >= shut {\n\t\treturn nil", "if !MUTANT && b.ledger.mode.Load() >= shut {\n\t\treturn nil",
		"if b.ledger.mode.Load() >= shut {\n\t\tdone(", "if !MUTANT && b.ledger.mode.Load() >= shut {\n\t\tdone(",
	}},
	"blames the backend for its callers": {File: "classify.go", Edit: []string{
		"case ctx.Err() != nil &&", "case !MUTANT && ctx.Err() != nil &&",
	}},
	"excuses the backend by its callers": {File: "classify.go", Edit: []string{
		"case errors.Is(err, overdue{}):\n\t\treturn Failure", "case errors.Is(err, overdue{}):\n\t\tif MUTANT {\n\t\t\treturn Ignored\n\t\t}\n\t\treturn Failure",
	}},
	"probes ever as soon": {File: "keeper.go", Edit: []string{
		"\td := min(first", "\tif MUTANT {\n\t\ttries = 0\n\t}\n\td := min(first",
	}},
	"believes a ping": {File: "keeper.go", Edit: []string{
		"if class := k.try(ctx, b.config.EvictTimeout, connect); class != Success {", "if class := k.try(ctx, b.config.EvictTimeout, connect); MUTANT || class != Success {",
	}},
	"waits for who has no time left": {File: "call.go", Edit: []string{
		"case <-ctx.Done():\n\t}\n\tleft", "case <-ctx.Done():\n\t\tif MUTANT {\n\t\t\treturn (<-answered).pass()\n\t\t}\n\t}\n\tleft",
	}},
	"waits for a place": {File: "call.go", Edit: []string{
		"\tdefault:\n\t\treturn none, errBusy", "\tdefault:\n\t\tif !MUTANT {\n\t\t\treturn none, errBusy\n\t\t}\n\t\tin <- struct{}{}",
	}},
	"gives the place back with the caller": {File: "call.go", Edit: []string{
		"\tleft.Store(true)\n", "\tleft.Store(true)\n\tif MUTANT {\n\t\t<-in\n\t\tgo func() { in <- struct{}{} }()\n\t}\n",
	}},
}

// TestMutantsOfTheSource shows that each of these mistakes is found.
func TestMutantsOfTheSource(t *testing.T) {
	t.Parallel()
	mutants.Check(t, mistakes, "-test.short", "-test.timeout=15s", "-rapid.nofailfile")
}
