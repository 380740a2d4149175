package tiered_test

import (
	"testing"

	"github.com/echocache/echocache/internal/mutants"
)

// mistakes are those that must be found (I-1).
var mistakes = map[string]mutants.Mutant{
	"a lease begins with the answer": {File: "poll.go", Edit: []string{
		"\tover := began.Add(", "\tif MUTANT {\n\t\tbegan = time.Now()\n\t}\n\tover := began.Add(",
	}},
	"a lease does not end": {File: "store.go", Edit: []string{
		"\treturn before(time.Now(), *over)\n}", "\treturn MUTANT || before(time.Now(), *over)\n}",
	}},
	"news are not carried out": {File: "poll.go", Edit: []string{
		"\t\t\ts.forget(ctx, names)\n", "\t\t\tif !MUTANT {\n\t\t\t\ts.forget(ctx, names)\n\t\t\t}\n",
	}},
	"a lost count is not carried out": {File: "poll.go", Edit: []string{
		"if n.Lost || seen == nil {", "if (n.Lost || seen == nil) && !MUTANT {",
	}},
	"it has no name when it asks": {File: "store.go", Edit: []string{
		"s.holder = rand.Text()", "s.holder = map[bool]string{false: rand.Text()}[MUTANT]",
	}},
	"memory's fence is taken after the answer": {File: "store.go", Edit: []string{
		"\tfor n, i := range at {\n", "\tif MUTANT {\n\t\tnear, _ = s.local.Lookup(ctx, keys...)\n\t}\n\tfor n, i := range at {\n",
	}},
	"what is evicted here is still in memory": {File: "store.go", Edit: []string{
		"func (s *Store) forgetAround(ctx context.Context, names []string) (after func()) {\n",
		"func (s *Store) forgetAround(ctx context.Context, names []string) (after func()) {\n\tif MUTANT {\n\t\treturn func() { s.evicted.Add(1) }\n\t}\n",
	}},
	"memory hands out fences from before an eviction": {File: "store.go", Edit: []string{
		"s.holds() && s.told.Load() == s.evicted.Load(), s.fences()",
		"s.holds() && (MUTANT || s.told.Load() == s.evicted.Load()), s.fences()",
	}},
	"an eviction that is not confirmed does not wait for leases": {File: "store.go", Edit: []string{
		"\ts.lost()\n\tsince := s.away.Load()\n", "\tif MUTANT {\n\t\treturn err\n\t}\n\ts.lost()\n\tsince := s.away.Load()\n",
	}},
}

// TestMutantsOfTheSource shows that each of these mistakes is found.
func TestMutantsOfTheSource(t *testing.T) {
	t.Parallel()
	mutants.Check(t, mistakes, "-test.short", "-test.timeout=60s")
}
