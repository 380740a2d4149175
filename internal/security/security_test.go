package security_test

import (
	"io"
	"log"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/echocache/echocache/internal/testredis"
)

var silence = log.New(io.Discard, "", 0)

func (j *journal) logger() *slog.Logger { return slog.New(j) }

// run is one case, in one kind of store and one kind of policy.
type run struct {
	attack *attack
	store  string
	kind   kind
	inject *forgery // nil for most
}

// runs returns all that a case is run as.
func runs(a *attack) (all []run) {
	for _, store := range stores {
		if a.Stores == "redis" && store == "memstore" {
			continue
		}
		for _, k := range a.kinds() {
			made := forgeries[a.Setup.Inject]
			for i := range made {
				all = append(all, run{a, store, k, &made[i]})
			}
			if len(made) == 0 {
				all = append(all, run{a, store, k, nil})
			}
		}
	}
	return all
}

// play runs it and returns what is wrong.
func (r run) play(tb testing.TB, shared *testredis.Server) []string {
	tb.Helper()
	a := r.attack
	budget := int64(64<<20) / int64(a.scale())
	own := a.heavy() || has(a.Setup.Inject, "Redis down") || slices.ContainsFunc(a.Requests, func(q ask) bool { return q.Fault != "" })
	s := &scene{tb: tb, attack: a, kind: r.kind, app: newApp(tb, a), stand: newStand(tb, r.store, shared, own, budget)}
	s.start(s.app, a.seals())
	return s.play(r.inject)
}

func (r run) name() string {
	name := r.attack.ID + "/" + r.store + "/" + strings.ReplaceAll(r.kind.name, ", ", "_")
	if r.inject != nil {
		name += "/" + r.inject.name
	}
	return name
}

// settle compares what is wrong with what the contract says will be.
func (r run) settle(t *testing.T, faults []string) {
	t.Helper()
	if why := differs[r.attack.ID]; why != "" {
		if len(faults) != 1 {
			t.Errorf("%s (%s) differs by %q: %s", r.attack.ID, r.attack.Title, faults, why)
		}
		return
	}
	for _, fault := range faults {
		t.Errorf("%s (%s): %s", r.attack.ID, r.attack.Title, fault)
	}
}

// TestCasesHeavy measures memory, so that it runs alone.
func TestCasesHeavy(t *testing.T) { //nolint:paralleltest // see above
	for _, a := range attacks(t, "cases.json") {
		for _, r := range runs(a) {
			if a.heavy() {
				t.Run(r.name(), func(t *testing.T) { r.settle(t, r.play(t, nil)) })
			}
		}
	}
}

// TestCases runs every case against every store and every policy for which it makes sense.
func TestCases(t *testing.T) {
	t.Parallel()
	all := attacks(t, "cases.json")
	if len(all) != 73 {
		t.Errorf("%d cases, want 73", len(all))
	}
	all = append(all, attacks(t, "own.json")...)
	for _, store := range stores {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var shared *testredis.Server
			if store != "memstore" {
				shared = testredis.Start(t)
			}
			for _, a := range all {
				for _, r := range runs(a) {
					if r.store == store && !a.heavy() {
						t.Run(r.name(), func(t *testing.T) {
							t.Parallel()
							r.settle(t, r.play(t, shared))
						})
					}
				}
			}
		})
	}
}

// TestNaiveCacheIsCaught has the runner notice a cache as many have written it, and find nothing where there is none.
func TestNaiveCacheIsCaught(t *testing.T) {
	t.Parallel()
	var asked, caught []string
	for _, a := range append(attacks(t, "cases.json"), attacks(t, "own.json")...) {
		if a.Stores != "all" || a.heavy() {
			continue
		}
		for _, mutant := range []mounter{bare{}, &naive{pages: map[string]answer{}}} {
			s := &scene{tb: t, attack: a, kind: forNobody, app: newApp(t, a), stand: newStand(t, "memstore", nil, false, 1<<20)}
			if a.scope() != "" {
				s.kind = perUser
			}
			broken, is := mutant.(*naive)
			if is {
				broken.held = s.stand.held
			}
			n := &node{echo: s.app.serve(mutant, s.kind.who(a), io.Discard)}
			n.server = quiet(n.echo)
			s.nodes, s.closers = []*node{n}, []func(){n.server.Close}
			faults := s.play(nil)
			switch {
			case is:
				asked = append(asked, a.ID)
				if len(faults) > 0 {
					caught = append(caught, a.ID)
				}
			case len(faults) > 0 && !a.NeedsCache:
				t.Errorf("%s: without a cache: %q", a.ID, faults)
			}
		}
	}
	t.Logf("the naive cache fails %d of %d: %s", len(caught), len(asked), strings.Join(caught, " "))
	// It keys by the URL as it is written, so it does well where only that counts.
	if len(caught) < 35 {
		t.Errorf("the naive cache fails only %d of %d: %s", len(caught), len(asked), strings.Join(caught, " "))
	}
}

// TestForgeriesAreReal holds against them what the forged entries are: without keys whoever can write to the server decides
// what is answered, so that with keys it is the seal that a forged entry fails by.
func TestForgeriesAreReal(t *testing.T) {
	t.Parallel()
	for _, a := range attacks(t, "cases.json") {
		if a.ID != "STO-05" {
			continue
		}
		a.cached()[0].Cache.Seal = ""
		evil := forgery{"without keys", page(func(head, _ []byte) ([]byte, []byte) { return head, []byte("evil") })}
		for _, store := range []string{"redisstore", "tiered"} {
			faults := run{a, store, forNobody, &evil}.play(t, testredis.Start(t))
			if len(faults) != 1 || !has(faults[0], `"evil", want "x"`) {
				t.Errorf("%s: the forged entry is not believed: %q", store, faults)
			}
		}
	}
}
