package redisstore_test

import (
	"strconv"
	"testing"

	"github.com/echocache/echocache/internal/mutants"
)

// script is a mistake in a script: a text that stands in at least one of them.
func script(old, changed string) mutants.Mutant {
	const header = "func newScript(source string) *script {\n"
	return mutants.Mutant{File: "script.go", Edit: []string{
		header, header + "\tsource = mutantText(MUTANT, source, " + strconv.Quote(old) + ", " + strconv.Quote(changed) + ")\n",
	}}
}

// mistakes are those that must be found (I-1). Chaos finds few of them: it has to happen at the right moment.
var mistakes = map[string]mutants.Mutant{
	// What was lost.
	"it is not asked who the server is":           script("m[3] ~= id or ", ""),
	"the table is not counted":                    script(" or tonumber(m[5] or '') ~= held then", " then"),
	"the floor may be lost":                       script("not floor or", "false or"),
	"what the table forgets does not raise floor": script("redis.call('HSET', KEYS[1], 'f', floor)", "local _ = floor"),

	// What is judged.
	"a record is kept without a look at its fence": script("if not fresh(e, tonumber(ARGV[3]), tags) then return {0} end", ""),
	"a record is found without a look at its tags": script("if tick == clock or #tags == 0 then return true end", "if true then return true end"),
	"an old epoch is believed":                     script("if e ~= epoch or tick < floor", "if tick < floor"),
	"what is below the floor is believed":          script("tick < floor or tick > clock", "tick > clock"),
	"all is forgotten but what is being filled":    script("redis.call('HSET', KEYS[1], 'n', 0, 'f', clock)", "redis.call('HSET', KEYS[1], 'n', 0)"),
	"the body is not that of the head": {File: "lookup.go", Edit: []string{
		"!bytes.HasPrefix(body, []byte(head))", "!MUTANT && !bytes.HasPrefix(body, []byte(head))",
	}},

	// Whose memory has it yet.
	"evictions do not wait for leases": {File: "write.go", Edit: []string{
		"if err := s.acknowledged(ctx, calls)", "if MUTANT {\n\t\treturn s.held(calls)\n\t}\n\tif err := s.acknowledged(ctx, calls)",
	}},
	"a new epoch is believed to know who holds leases": {File: "lease.go", Edit: []string{
		"\t\t\tuntil = may\n", "\t\t\tif !MUTANT {\n\t\t\t\tuntil = may\n\t\t\t}\n",
	}},
	"the first question counts as an answer": script(
		"'r:' .. ARGV[5], tick .. ':'", "'r:' .. ARGV[5], string.format('%.0f', clock) .. ':'"),
	"who is silent is forgotten at once": {File: "lease.go", Edit: []string{
		"if now.Before(w.until) {", "if !MUTANT && now.Before(w.until) {",
	}},
	"an answer of another epoch counts": {File: "lease.go", Edit: []string{
		"|| values[0] != w.epoch {", "|| values[0] != w.epoch && !MUTANT {",
	}},
	"nobody waits for an old master": {File: "hold.go", Edit: []string{
		"< s.config.SplitBrainHold {", "< s.config.SplitBrainHold && !MUTANT {",
	}},
	"one replica is as good as none": {File: "hold.go", Edit: []string{"case n < c.copies:", "case n < c.copies && !MUTANT:"}},
	"news begin after what is new":   script("'(' .. tick, '+inf'", "'(' .. (tick + 1), '+inf'"),
}

// TestMutantsOfTheSource shows that each of these mistakes is found, by a test that arranges for the moment.
func TestMutantsOfTheSource(t *testing.T) {
	t.Parallel()
	mutants.Check(t, mistakes, "-test.short", "-test.timeout=60s", "-test.failfast",
		"-test.run=TestI1|TestADeadProcess|TestTableIsTrimmed", "-test.skip=Sentinel|UnderFaults|ManyProcesses")
}
