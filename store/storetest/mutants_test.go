package storetest_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/storetest"
)

// A mutant of a property is expected to fail, so neither its shrunk history nor a file of it is wanted.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "1ms"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// mutants lists for each fault of fake the clause that catches it, every time. model: the property does as well.
var mutants = []struct {
	fault  fault
	clause string
	model  bool
}{
	// I-1, fills in flight.
	{"the fence taken at Store", "an eviction beats a fill in flight", true},
	{"fills in flight ignored", "an eviction beats a fill in flight", true},
	{"only the first tag compared", "an eviction of any tag beats a fill in flight", true},
	{"only the last tag compared", "any one of a record's tags evicts it", true},
	{"a fenced fill is kept", "a fenced fill leaves what came after the eviction", true},
	{"a fenced fill removes what is there", "a fenced fill leaves what came after the eviction", true},
	{"fenced fills called stored", "an eviction beats a fill in flight", true},
	{"the fence is the next eviction's", "several fills in flight are told apart", true},
	{"a hit without a fence", "a hit gives a fence for a refresh", true},
	{"a hit with its own fence", "a hit gives a fence for a refresh", true},
	{"the floor not raised", "an eviction is not forgotten, however many follow", false},
	{"the oldest fence lost for good", "an eviction is not forgotten, however many follow", false},
	{"judged and kept apart", "no interleaving serves what was evicted before", false},
	{"kept without a fence", "without a fence nothing is kept", false},
	{"foreign epoch accepted", "a fence of another epoch is fenced", false},

	// I-1, records that are there.
	{"hits not compared", "an eviction forgets what carries its tag", true},
	{"evicted later", "an eviction forgets what carries its tag", true},
	{"only the first tag evicted", "one eviction takes several tags", true},
	{"every eviction evicts all", "an eviction leaves what does not carry its tag", true},
	{"evicting nothing evicts all", "evicting nothing does nothing", false},
	{"a key is a tag", "a key is not a tag", true},
	{"tags cut at a NUL", "tags are compared as a whole", false},
	{"the earlier record's tags stay", "a later record has its own tags", true},
	{"Delete only removes", "Delete beats a fill in flight", true},

	// Look-ups.
	{"answers in the order of a map", "answers come in the order of the keys", false},
	{"the same key answered once", "answers come in the order of the keys", true},
	{"the first record stays", "a later record replaces an earlier one", true},
	{"never kept", "what is stored is found", true},
	{"stored with an error", "what is stored is found", true},
	{"Check complains", "a good configuration passes Check", false},

	// Time.
	{"expiry ignored", "a record is gone when its TTL is over", true},
	{"the TTL instead of the time left", "the time left runs down", true},
	{"reading prolongs", "reading a record does not prolong it", true},
	{"the earlier record's TTL stays", "a later record has its own TTL, longer", true},
	{"the earlier record's TTL stays", "a later record has its own TTL, shorter", true},
	{"a TTL of zero means for ever", "a TTL of zero is refused", false},
	{"a negative TTL means for ever", "a negative TTL is refused", false},

	// Sliding.
	{"windows end though read", "a sliding record that is looked up stays", true},
	{"windows never end", "a sliding record that nobody looks up is gone", true},
	{"a window outlives the TTL", "a sliding record is gone when its TTL is over", true},
	{"the window instead of the time left", "the time left of a sliding record is its TTL's", true},
	{"a negative window accepted", "a negative Sliding is refused", false},

	// Replacer.
	{"a write keeps nothing", "Replace keeps the record", true},
	{"a write evicts no tags", "Replace evicts its tags", true},
	{"a write lets fills go on", "Replace beats fills in flight", true},
	{"the last writer is believed", "of two writers at once neither is believed", true},
	{"a fenced write evicts nothing", "a fenced Replace evicts all the same", true},
	{"a refused write evicts nothing", "a refused Replace evicts all the same", false},
	{"a written record needs no epoch", "Replace knows other epochs", false},

	// Close.
	{"found after Close", "after Close nothing is found and nothing kept", false},
	{"a fence after Close", "after Close nothing is found and nothing kept", false},
	{"kept after Close", "after Close nothing is found and nothing kept", false},
	{"a second Close fails", "Close may be called again", false},

	// Local.
	{"Peek not compared", "Peek does not find what is evicted", false},
	{"Peek ignores expiry", "Peek does not find what is expired", false},
	{"Peek without the time left", "Peek finds what Lookup finds", false},
	{"Peek after Close", "Peek finds nothing after Close", false},
	{"Peek keeps the key", "Peek keeps nothing of the key", false},
	{"views by key", "a view stays with its record and goes with it", false},
	{"the first view stays", "a view stays with its record and goes with it", false},
	{"views forgotten", "a view stays with its record and goes with it", false},
}

// TestTheContractCatchesEveryMutant shows that each clause that is named here is needed and enough.
func TestTheContractCatchesEveryMutant(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(string(m.fault), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				err := storetest.Hold(m.clause, &fakeLocal{fake: newFake(m.fault)}, nil)
				if err == nil {
					t.Fatalf("%q does not catch it", m.clause)
				}
				t.Log(err)
			})
		})
	}
}

// TestTheModelCatchesMutants shows that random histories find what can be found with a few names and few evictions.
func TestTheModelCatchesMutants(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		if !m.model {
			continue
		}
		t.Run(string(m.fault)+"/"+m.clause, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{}
				for n := 0; n < 2_000 && !r.failed; n++ { // a hundred histories each, fewer with -short
					r.run(func() { storetest.CheckModel(r, func() store.Backend { return newFake(m.fault) }) })
				}
				if !r.failed {
					t.Error("the model does not catch it")
				}
			})
		})
	}
}

func TestEveryClauseIsNamed(t *testing.T) {
	t.Parallel()
	names := storetest.Names()
	for i, n := range names {
		if slices.Contains(names[:i], n) || strings.TrimSpace(n) != n || n == "" {
			t.Errorf("clause %q: not a name of its own", n)
		}
	}
}

// recorder takes the place of a test that is meant to fail.
type recorder struct {
	rapid.TB

	failed bool
}

// recorded is what a recorder panics with to end the test, as testing.T ends a goroutine.
var recorded = new(int)

// run runs f until it ends or fails, if nothing has failed yet.
func (r *recorder) run(f func()) {
	defer func() {
		if end := recover(); end != nil && end != recorded {
			panic(end)
		}
	}()
	if !r.failed {
		f()
	}
}

func (r *recorder) Helper()               {}
func (r *recorder) Name() string          { return "mutant" }
func (r *recorder) Log(...any)            {}
func (r *recorder) Logf(string, ...any)   {}
func (r *recorder) Failed() bool          { return r.failed }
func (r *recorder) Fail()                 { r.failed = true }
func (r *recorder) Error(...any)          { r.failed = true }
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) FailNow()              { r.failed = true; panic(recorded) }
func (r *recorder) Fatal(...any)          { r.FailNow() }
func (r *recorder) Fatalf(string, ...any) { r.FailNow() }
func (r *recorder) SkipNow()              { panic("skipped") }
func (r *recorder) Skip(...any)           { r.SkipNow() }
func (r *recorder) Skipf(string, ...any)  { r.SkipNow() }
