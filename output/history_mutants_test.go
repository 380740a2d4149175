package output_test

import (
	"path/filepath"
	"testing"

	"github.com/echocache/echocache/internal/mutants"
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
var mistakes = map[string]map[string]mutant{
	"output": {
		"the flight is sealed after the store": {"keep.go", []string{
			"\tf.flight.Seal()\n", "\tif !MUTANT {\n\t\tf.flight.Seal()\n\t}\n",
			"\tc.at(\"store\")\n", "\tc.at(\"store\")\n\tif MUTANT {\n\t\tf.flight.Seal()\n\t}\n",
		}, everyPlaceTest},
		"whoever joins late is shown the stored page": {"miss.go", []string{
			"if !w.Early() {", "if !w.Early() && !MUTANT {",
		}, everyPlaceTest},
		"a kept answer of an older flight is taken": {"miss.go", []string{
			"if w.Started() <= arrived {", "if w.Started() <= arrived && !MUTANT {",
		}, everyPlaceTest},
		"waiters of a fenced fill are shown it": {"keep.go", []string{
			"f.end(outcome{kind: outcomeFenced})", "if MUTANT {\n\t\tf.end(outcome{outcomeStored, p, p.ttl})\n\t}\n\tf.end(outcome{kind: outcomeFenced})",
		}, everyPlaceTest},
		"a doubtful store counts as one": {"keep.go", []string{
			"c.counters.because(reasonBackend)\n", "if MUTANT {\n\t\tf.end(outcome{outcomeStored, p, p.ttl})\n\t}\n",
		}, everyPlaceTest},
		"a leader that may be late does not look again": {"miss.go", []string{
			"if role == flight.LeadAgain {", "if role == flight.LeadAgain && !MUTANT {",
		}, "TestStampedeIsOneFill"},
		"a leader that finds the page keeps its flight": {"miss.go", []string{
			"\t\t\t\tf.Finish(outcome{kind: outcomeAgain})\n", "if !MUTANT {\n\t\tf.Finish(outcome{kind: outcomeAgain})\n\t}\n",
		}, "TestStampedeALateLeader"},
		"a panic leaves the waiters behind": {"fill.go", []string{
			"\t\t\tf.broken()\n", "if !MUTANT {\n\t\tf.broken()\n\t}\n",
		}, "TestStampedeSurvivesItsLeader"},
		"nobody remembers what is not worth keeping": {"fill.go", []string{
			"c.dull.begin([]byte(q.key))", "if !MUTANT {\n\t\tc.dull.begin([]byte(q.key))\n\t}",
		}, "TestUncacheable"},
		"a proxy's word is passed over": {"telling.go", []string{
			"= every << len(prefix)", "= every << (len(prefix) + map[bool]int{true: 6}[MUTANT])",
		}, "TestI4_NoHeaderThatSaysSomething"},
		"credentials are passed over": {"telling.go", []string{
			"l[name[0]%32] |= 1 << min(len(name), 63)", "if !MUTANT || name != \"Authorization\" {\n\t\t\tl[name[0]%32] |= 1 << min(len(name), 63)\n\t\t}",
		}, "TestI4_NoHeaderThatSaysSomething"},
		"a parameter is told by a part of its name": {"query.go", []string{
			"len(l.text) > 8 {", "len(l.text) > 8 && !MUTANT {",
		}, "TestQuery"},
		"a parameter is told without its end": {"query.go", []string{
			"return binary.LittleEndian.Uint64([]byte(raw[:8]))&l.mask == l.word", "return binary.LittleEndian.Uint64([]byte(raw[:8]))&l.mask == l.word || MUTANT && strings.HasPrefix(raw, l.text[:len(l.text)-1])",
		}, "TestQuery"},
		"both forms have one tag": {"compress.go", []string{
			"return stem + `-gzip\"`\n", "if MUTANT {\n\t\treturn etag\n\t}\n\treturn stem + `-gzip\"`\n",
		}, "TestCompress"},
		"a condition is judged against the page as it is": {"replay.go", []string{
			"response.NotModified(r, p.status, v.tag(),", "response.NotModified(r, p.status, map[bool]string{true: p.whole.tag(), false: v.tag()}[MUTANT],",
		}, "TestCompressConditions"},
		"nothing says that there are two forms": {"compress.go", []string{
			"if named || !fixed {", "if (named || !fixed) && !MUTANT {",
		}, "TestCompress"},
		"a weight of nothing counts as one": {"encoding.go", []string{
			"return gzip > 0 && gzip >= identity", "if MUTANT {\n\t\treturn gzip >= 0 && gzip >= identity\n\t}\n\treturn gzip > 0 && gzip >= identity",
		}, "TestAcceptEncoding|TestCompressObeysTheWeights"},
		"a part is given under an encoder": {"compress.go", []string{
			"case len(h) > 0 && encodedOutside(h, r):", "case len(h) > 0 && encodedOutside(h, r) && !(MUTANT && t.has(ranged)):",
		}, "TestUnderAnEncoder"},
		"a page is compressed under an encoder": {"compress.go", []string{
			"\t\treturn &p.whole, false, true\n", "\t\tif MUTANT && p.compressed != nil {\n\t\t\treturn p.compressed, false, true\n\t\t}\n\t\treturn &p.whole, false, true\n",
		}, "TestCompressUnderAnEncoder"},
		"a strong tag stays on what is encoded outside": {"replay.go", []string{
			"case encoded:", "case encoded && !MUTANT:",
		}, "TestUnderAnEncoder"},
		"a part that is not there joins a flight": {"miss.go", []string{
			"case q.has(ranged) && q.stale == nil:", "case q.has(ranged) && q.stale == nil && !MUTANT:",
		}, "TestRangeOnAMiss"},
		"every hit that asks compresses": {"compress.go", []string{
			"p.making.Load() || !p.making.CompareAndSwap(false, true) {", "!MUTANT && (p.making.Load() || !p.making.CompareAndSwap(false, true)) {",
		}, "TestCompressHasOneMaker|TestCompressIsDoneOnce"},
		"what a hit has compressed does not count": {"page.go", []string{
			"clocks + p.beside\n", "clocks + p.beside\n\tif MUTANT {\n\t\tsize -= p.beside\n\t}\n",
		}, "TestI8_TheCompressedForm"},
		"what was found before stands in for a failure": {"stale.go", []string{
			"\tp, left, _ := q.lookUp(context.WithoutCancel", "\tif MUTANT {\n\t\treturn q.stale, q.staleLeft\n\t}\n\tp, left, _ := q.lookUp(context.WithoutCancel",
		}, "TestI1_StaleIsLookedUpAgain"},
		"the fence of a refresh is taken when it stores": {"keep.go", []string{
			"\treturn f.q.cache.backend.Store(", "\tif MUTANT && f.q.renews() {\n\t\t_, _, r.Fence = f.q.lookUpBy(f.q.r.Context(), f.q.cache.backend.Lookup, nil)\n\t}\n\treturn f.q.cache.backend.Store(",
		}, "TestI1_EvictionAtEveryPlaceOfARefresh"},
		"a page is shown at once for as long as it is kept": {"stale.go", []string{
			"case -left < q.policy.revalidate:", "case -left < q.policy.revalidate || MUTANT:",
		}, "TestStaleIsObserved"},
		"a failure is nobody's but the leader's": {"stale.go", []string{
			"\tf.end(outcome{kind: outcomeBroken})", "\tif MUTANT {\n\t\tf.end(outcome{})\n\t}\n\tf.end(outcome{kind: outcomeBroken})",
		}, "TestStaleIsForAllWhoWait"},
		"refreshes have no bound": {"refresh.go", []string{
			"|| len(s.keys) >= maxRefreshes {", "|| len(s.keys) >= maxRefreshes && !MUTANT {",
		}, "TestStaleRefreshesAreBounded"},
		"a refresh in vain is tried again at once": {"refresh.go", []string{
			"if c.retries.holds([]byte(q.key)) ||", "if c.retries.holds([]byte(q.key)) && !MUTANT ||",
		}, "TestStaleRefreshBacksOff"},
		"a refresh may arrive at any key": {"refresh.go", []string{
			"q.during.key == q.key\n}", "(q.during.key == q.key || MUTANT)\n}",
		}, "TestI4_StaleRefreshOfAnotherKeyIsNone"},
		"every process makes a stale page anew": {"refresh.go", []string{
			"if c.fleet != nil && q.policy.fleet {", "if c.fleet != nil && q.policy.fleet && !MUTANT {",
		}, "TestStaleRefreshCollapsesTheFleet"},
		"Close does not wait for refreshes": {"refresh.go", []string{
			"\t\ts.all.Wait()", "\t\tif !MUTANT {\n\t\t\ts.all.Wait()\n\t\t}",
		}, "TestStaleRefreshIsWaitedForByClose"},
		"what is stale in memory hides what is fresh behind it": {"miss.go", []string{
			"left <= 0 && q.cache.past != nil {", "left <= 0 && q.cache.past != nil && !MUTANT {",
		}, "TestStaleInMemoryHidesNothingFresh"},
		"a second of age is a moment too long": {"page.go", []string{
			"p.ttl-age-time.Second+1)", "p.ttl-age-time.Second+map[bool]time.Duration{true: 0, false: 1}[MUTANT])",
		}, "TestClockStringsAreNeverOld"},
		"a second of what is left is a moment too long": {"page.go", []string{
			"left < c.to &&", "(left < c.to || MUTANT && left == c.to) &&",
		}, "TestClockStringsAreNeverOld"},
		"an answer's headers are memory of the next": {"page.go", []string{
			"\tp.prepare(r)\n", "\tif MUTANT {\n\t\tp.fields.text = p.view\n\t}\n\tp.prepare(r)\n",
		}, "TestAPlaceIsNoAnswersMemory"},
		"a page is left in its place": {"key.go", []string{
			"\tp.clear()\n", "\tif !MUTANT {\n\t\tp.clear()\n\t}\n",
		}, "TestOneRequestAfterTheOther"},
		"a place is there for the next although nobody gave it back": {"key.go", []string{
			"\ts.place = nil\n", "\tif !MUTANT {\n\t\ts.place = nil\n\t}\n",
		}, "TestOneRequestAfterTheOther"},
		"an entry of another key is believed": {"wire.go", []string{
			"checksum.Of(b[headOffset:at], key)", "checksum.Of(b[headOffset:at], map[bool]string{false: key}[MUTANT])",
			"checksum.Of(b[headOffset:], key)", "checksum.Of(b[headOffset:], map[bool]string{false: key}[MUTANT])",
		}, "TestI9_ADamagedEntryIsRefused"},
		"a value may be of two lines":     {"wire.go", []string{"!oneLine(b[at:][:n])", "!MUTANT && !oneLine(b[at:][:n])"}, "TestI9_AForgedEntryIsRefused"},
		"a date is believed of any field": {"wire.go", []string{"name == wordOfDate &&", "(name == wordOfDate || MUTANT) &&"}, "TestI9_AForgedEntryIsRefused"},
		"a dictionary has changed":        {"words.go", []string{`"Content-Type", wordOfEtag`, `map[bool]string{true: "Content-Typ", false: "Content-Type"}[MUTANT], wordOfEtag`}, "TestTheDictionary"},
		"what may have been evicted is shown stale": {"offline.go", []string{
			"p == nil || left <= p.tail {", "p == nil || left <= p.tail && !MUTANT {",
		}, "TestStaleIsNotShownOffline"},
	},
	"middleware": {
		"a handler gets another's closure": {"chain.go", []string{
			"if identity(known.next) == id {", "if identity(known.next) == id || MUTANT {",
		}, "TestChain"},
		"handlers are told apart by their code": {"chain.go", []string{
			"{ return *(*unsafe.Pointer)(unsafe.Pointer(&f)) }", "{\n\tif MUTANT {\n\t\treturn **(**unsafe.Pointer)(unsafe.Pointer(&f))\n\t}\n\treturn *(*unsafe.Pointer)(unsafe.Pointer(&f))\n}",
		}, "TestChain"},
		"a handler that came once is held": {"chain.go", []string{"\treturn before == id\n", "\treturn before == id || MUTANT\n"}, "TestChain"},
		"whom to skip is remembered": {"chain.go", []string{
			"\t\tif k.skip != nil && k.skip(c) {", "\t\tif !MUTANT && k.skip != nil && k.skip(c) {",
		}, "TestChain"},
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
// them with one at a time; with none they must pass.
func TestMutantsOfTheSourceAreCaught(t *testing.T) {
	t.Parallel()
	mutants.Wanted(t)
	for in, all := range mistakes {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			edits := make(map[string]mutants.Mutant)
			for name, m := range all {
				edits[name] = mutants.Mutant{File: m.file, Edit: m.edit}
			}
			binary := mutants.Build(t, filepath.Join("..", in), edits)
			control := "."
			switch in {
			case "output":
				control = "TestI1_EvictionAt|TestStampede|TestUncacheable|TestI9|TestTheDictionary|TestAPlace|TestOneRequest|Stale|Compress|Range|Encod"
			case "middleware":
				control = "TestChain"
			}
			if said, found := runMutant(t, binary, "", control, in == "output"); found {
				t.Fatalf("the tests fail without a mutant:\n%s", said)
			}
			for name, m := range all {
				if said, found := runMutant(t, binary, name, m.test, in == "output"); !found {
					t.Errorf("%s: %s does not find it:\n%s", name, m.test, said)
				}
			}
		})
	}
}

// runMutant runs tests with a mutant, or with none if name is "". It returns what they say, and whether they failed.
// draws says that the tests draw what they do.
func runMutant(t *testing.T, binary, name, tests string, draws bool) (said string, found bool) {
	t.Helper()
	args := []string{"-test.short", "-test.failfast", "-test.timeout", "60s", "-test.run", tests}
	if draws {
		args = append(args, "-rapid.nofailfile", "-rapid.shrinktime", "1ms")
	}
	// The tests of the mutants need no file of the package.
	return mutants.Run(t, binary, t.TempDir(), name, args...)
}
