package arch_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	echoLib    = "github.com/labstack/echo/v4"
	cacheLib   = "github.com/patrickmn/go-cache"
	redisLib   = "github.com/redis/go-redis/v9"
	breakerLib = "github.com/sony/gobreaker/v2"
	rapidLib   = "pgregory.net/rapid"
)

// rule says what one package of this module may import, directly and outside its tests, besides the standard library.
type rule struct {
	own    []string // packages of this module
	others []string // other modules, with all their packages
}

// rules is the direction of imports. Each of the four libraries stands in one row only, so that its types cannot reach
// another package's API.
//
//	middleware → output → store ← breaker, tiered
//	             output → response
//
// A row may stand here before its package exists.
var rules = map[string]rule{
	// The door. A door for another framework is a copy of it, and changes nothing else.
	"middleware": {own: []string{"internal/mark", "output", "response", "store"}, others: []string{echoLib}},
	// memstore, because a zero Config caches in this process.
	"output": {own: []string{"internal/checksum", "internal/fleet", "internal/flight", "internal/mark", "internal/striped", "internal/varint", "response", "store", "store/memstore"}},
	// For the tests of applications, which are Echo's.
	"output/outputtest": {own: []string{"internal/mark"}, others: []string{echoLib}},
	// What browsers and CDNs are told stands alone: useful without a cache.
	"response": {},
	// The portable type knows no driver.
	"store":            {own: []string{"internal/checksum", "internal/fleet", "internal/flight", "internal/striped", "internal/varint"}},
	"store/memstore":   {own: []string{"store"}, others: []string{cacheLib}},
	"store/redisstore": {own: []string{"internal/checksum", "internal/varint", "store"}, others: []string{redisLib}},
	"store/tiered":     {own: []string{"store", "store/memstore"}},
	// The contract is for everybody's drivers. It brings their tests what its own property needs, and their programs
	// nothing.
	"store/storetest": {own: []string{"store"}, others: []string{rapidLib}},
	"breaker":         {own: []string{"store"}, others: []string{breakerLib}},

	"internal/arch":          {},
	"internal/checksum":      {},
	"internal/child":         {},
	"internal/fakes":         {own: []string{"store", "store/memstore"}},
	"internal/faults":        {},
	"internal/fleet":         {},
	"internal/flight":        {},
	"internal/growth":        {}, // tests only
	"internal/mark":          {},
	"internal/mutants":       {},
	"internal/security":      {}, // tests only
	"internal/soak":          {}, // tests only
	"internal/striped":       {},
	"internal/testredis":     {own: []string{"internal/child"}},
	"internal/tools/testsum": {},
	"internal/varint":        {},
}

// requirements are the modules that the root go.mod may require directly, each with its reason. What needs another
// one is a module of its own (examples, bench, observe).
var requirements = map[string]string{
	echoLib:    "the door",
	cacheLib:   "store/memstore",
	redisLib:   "store/redisstore",
	breakerLib: "breaker",

	"github.com/google/go-cmp":          "tests: differences that a person can read",
	rapidLib:                            "tests: properties of keys and stores, against a model",
	"github.com/anishathalye/porcupine": "tests: a second judgement of histories",
	"github.com/dunglas/httpsfv":        "tests: the oracle that our structured fields parse",
	"github.com/alicebob/miniredis/v2":  "tests: the contract of a Redis backend where no redis-server is at hand",
}

// imports is what go list knows of a package.
type imports struct {
	ImportPath string
	Imports    []string
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	dir := root(t)
	watch(t, dir)
	out, err := golang(t.Context(), dir, nil, "list", "-e", "-json=ImportPath,Imports", "./...")
	if err != nil {
		t.Fatal(err)
	}
	var packages []imports
	for decoder := json.NewDecoder(strings.NewReader(out)); decoder.More(); {
		var p imports
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatal("go list names no package")
	}
	for _, p := range packages {
		for _, fault := range p.faults() {
			t.Error(fault)
		}
	}
}

// faults returns what p imports and must not, and that p has no rule.
func (p imports) faults() []string {
	name := strings.TrimPrefix(p.ImportPath, modulePath+"/")
	allowed, known := rules[name]
	if !known {
		return []string{fmt.Sprintf("%s has no rule: add it to the table in internal/arch/imports_test.go", name)}
	}
	var faults []string
	for _, path := range p.Imports {
		if !allowed.allows(path) {
			faults = append(faults, fmt.Sprintf("%s imports %s, which its row in internal/arch/imports_test.go does not allow",
				name, path))
		}
	}
	return faults
}

func (r rule) allows(path string) bool {
	if own, ok := strings.CutPrefix(path, modulePath+"/"); ok {
		return slices.Contains(r.own, own)
	}
	if host, _, _ := strings.Cut(path, "/"); !strings.Contains(host, ".") {
		return true // the standard library: its paths begin with no domain
	}
	return slices.ContainsFunc(r.others, func(module string) bool {
		return path == module || strings.HasPrefix(path, module+"/")
	})
}

// TestImportFaultsAreFound breaks every kind of rule once.
func TestImportFaultsAreFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		from, to string // from is in this module
		fault    bool
	}{
		{"the standard library is everybody's", "response", "net/http", false},
		{"the door may import output", "middleware", modulePath + "/output", false},
		{"the door may import Echo's own middleware", "middleware", echoLib + "/middleware", false},
		{"output must not import the door", "output", modulePath + "/middleware", true},
		{"output must not import Echo", "output", echoLib, true},
		{"store must not import a driver", "store", modulePath + "/store/memstore", true},
		{"response stands alone", "response", modulePath + "/store", true},
		{"a driver must not import another library's", "store/memstore", redisLib, true},
		{"a library whose name begins like another's", "middleware", echoLib + "x", true},
		{"a library nobody may import", "output", "github.com/stretchr/testify/require", true},
		{"the root is no package", "", "fmt", true},
		{"a package without a rule", "output/novel", "fmt", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := imports{ImportPath: modulePath + "/" + tt.from, Imports: []string{"context", tt.to}}
			if got := p.faults(); (len(got) > 0) != tt.fault {
				t.Errorf("faults: %q, want any: %t", got, tt.fault)
			}
		})
	}
}

func TestRequirementsAreFew(t *testing.T) {
	t.Parallel()
	out, err := golang(t.Context(), root(t), nil, "mod", "edit", "-json")
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace []struct{ Old struct{ Path string } }
	}
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if !r.Indirect && requirements[r.Path] == "" {
			t.Errorf("go.mod requires %s: what needs it belongs in a module of its own, or it stands with its reason in "+
				"the table in internal/arch/imports_test.go", r.Path)
		}
	}
	// A replace is ignored in a user's build: what is tested here would not be what they get.
	for _, r := range mod.Replace {
		t.Errorf("go.mod replaces %s", r.Old.Path)
	}
}
