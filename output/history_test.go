package output_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

func drawSchedule(rt *rapid.T) []move {
	kinds := rapid.SampledFrom(slices.Concat(
		slices.Repeat([]string{"go on"}, 12), slices.Repeat([]string{"hurry"}, 12), slices.Repeat([]string{"get"}, 12),
		slices.Repeat([]string{"evict"}, 6),
		[]string{"delete", "drop", "pass", "pass", "leave", "no-store", "break"},
	))
	args := make([]int, 96) // sampled, because drawn from a range the small ones would come too often
	for i := range args {
		args[i] = i
	}
	one := rapid.Custom(func(t *rapid.T) move {
		return move{Kind: kinds.Draw(t, "kind"), Arg: rapid.SampledFrom(args).Draw(t, "arg")}
	})
	return rapid.SliceOfN(one, 30, 90).Draw(rt, "moves")
}

// doubtful keeps what it is given and says that it does not know.
type doubtful struct{ store.Backend }

func (b doubtful) Store(ctx context.Context, key string, r store.Record) (store.Verdict, error) {
	_, err := b.Backend.Store(ctx, key, r)
	return store.Unknown, err
}

// unfenced cannot read its clock: every look-up is a miss, and nothing can be stored.
type unfenced struct{ store.Backend }

func (unfenced) Lookup(context.Context, ...string) ([]store.Found, error) { return nil, errFailing }

var stages = map[string]func() store.Backend{
	"memory":         func() store.Backend { return memstore.New(memstore.Config{}) },
	"memory by trip": func() store.Backend { return struct{ store.Backend }{memstore.New(memstore.Config{})} },
	"refuses":        func() store.Backend { return refusing{memstore.New(memstore.Config{})} },
	"doubts":         func() store.Backend { return doubtful{memstore.New(memstore.Config{})} },
	"no fence":       func() store.Backend { return unfenced{memstore.New(memstore.Config{})} },
}

func TestI1_NoScheduleBeatsAnEviction(t *testing.T) {
	for name, open := range stages {
		for policy := range policies {
			t.Run(name+", "+policy, func(t *testing.T) {
				for range 2 {
					rapid.Check(t, func(rt *rapid.T) {
						for _, wrong := range schedule(t, drawSchedule(rt), policy, open).wrong {
							rt.Error(wrong)
						}
					})
				}
			})
		}
	}
}

// words are what others do while a fill is held at one place; g is a reader that comes and is held itself.
var words = map[string][]move{
	"":   nil,
	"G":  {{"get", 4}},
	"E":  {{"evict", 5}},
	"EG": {{"evict", 5}, {"get", 4}},
	"gE": {{"get", 0}, {"evict", 5}},
}

// places is how many places there are on the way of a request that fills, before its start and after its end included.
const places = 9

// everyPlace returns all schedules in which a request fills and others do something at one or two places of its way.
func everyPlace() map[string][]move {
	all := make(map[string][]move)
	for first := range places {
		for second := first + 1; second < places; second++ {
			for one, a := range words {
				for two, b := range words {
					moves := []move{}
					for at := range places {
						switch at {
						case first:
							moves = append(moves, a...)
						case second:
							moves = append(moves, b...)
						}
						if at == 0 {
							moves = append(moves, move{"get", 0})
						} else {
							moves = append(moves, move{"go on", 0})
						}
					}
					all[fmt.Sprintf("%d%s %d%s", first, one, second, two)] = moves
				}
			}
		}
	}
	return all
}

// What chance may miss is tried out here.
func TestI1_EvictionAtEveryPlaceOfAFill(t *testing.T) {
	all := everyPlace()
	for name, open := range stages {
		t.Run(name, func(t *testing.T) {
			for at, moves := range all {
				if wrong := schedule(t, moves, "fresh", open).wrong; len(wrong) > 0 {
					t.Fatalf("%s: %s", at, wrong)
				}
			}
		})
	}
}

// The same where there is a stale page: the request that is tried out at every place is the one in the background that
// makes it anew, or one whose handler fails.
func TestI1_EvictionAtEveryPlaceOfARefresh(t *testing.T) {
	stale := map[string]struct {
		before []move
		kind   string
		says   string
	}{
		"while revalidating": {[]move{{"get", 4}, {"pass", 1}, {"pass", 0}}, "get", "hit; ttl="},
		"if error":           {[]move{{"get", 4}, {"pass", 2}}, "break", "fwd=stale; fwd-status=502"},
	}
	for _, name := range []string{"memory", "memory by trip"} {
		for what, row := range stale {
			t.Run(name+", "+what, func(t *testing.T) {
				shown := 0
				for at, moves := range everyPlace() {
					moves = slices.Clone(moves)
					for i := range moves {
						if moves[i] == (move{"get", 0}) {
							moves[i].Kind = row.kind
						}
					}
					s := schedule(t, slices.Concat(row.before, moves), "stale", stages[name])
					if len(s.wrong) > 0 {
						t.Fatalf("%s: %s", at, s.wrong)
					}
					for said := range s.seen {
						if strings.HasPrefix(said, row.says) && staleness(said) > 0 {
							shown++
						}
					}
				}
				if shown == 0 {
					t.Error("no schedule has shown a stale page")
				}
			})
		}
	}
}

// Whatever the order, a page that nobody evicts and that stays fresh is made once.
func TestStampedeIsOneFillInEverySchedule(t *testing.T) {
	for name, open := range map[string]func() store.Backend{"memory": stages["memory"], "memory by trip": stages["memory by trip"]} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				moves := slices.DeleteFunc(drawSchedule(rt), func(m move) bool { return m.Kind != "get" && m.Kind != "go on" })
				s := schedule(t, moves, "fresh", open)
				for _, wrong := range s.wrong {
					rt.Error(wrong)
				}
				for object, runs := range s.runs {
					if runs > 1 {
						rt.Errorf("object %d was made %d times", object, runs)
					}
				}
			})
		})
	}
}

// The mutants of TestI1_MutantsAreCaught again: a schedule has to find each within as many tries as one row above makes.
func TestI1_ScheduleMutantsAreCaught(t *testing.T) {
	memory := func() store.Backend { return struct{ store.Backend }{memstore.New(memstore.Config{})} }
	for name, open := range map[string]func() store.Backend{
		"the fence is taken at the store":  func() store.Backend { return lateFence{memory()} },
		"the fence is newer than the fill": func() store.Backend { return &newestFence{Backend: memory()} },
		"tags are forgotten":               func() store.Backend { return tagless{memory()} },
		"an eviction is lost":              func() store.Backend { return &losing{Backend: memory()} },
		"a fenced fill counts as stored":   func() store.Backend { return praising{memory()} },
		"hits are not judged":              func() store.Backend { return &unjudged{Backend: memory()} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range 300 {
				if s := schedule(t, rapid.Custom(drawSchedule).Example(seed), "fresh", open); len(s.wrong) > 0 {
					t.Logf("found by schedule %d: %s", seed, s.wrong[0])
					return
				}
			}
			t.Error("no schedule finds it")
		})
	}
}
