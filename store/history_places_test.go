package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// historyStep is the pause between any two steps where a history is written by hand.
const historyStep = 10 * time.Millisecond

// byHand returns a history in which everybody takes one step in historyStep, with values of the first row that is there.
func byHand(events ...historyEvent) history {
	for i := range events {
		events[i].Key = 1
	}
	return history{
		Events: events, Pauses: []time.Duration{historyStep}, Loads: []string{""},
		Options: []store.Options{{TTL: time.Hour}}, Tongue: "plain",
	}
}

// historyPlaces is how many steps a caller takes that loads, those before it comes and after it has gone included.
const historyPlaces = 18

// course is what comes before a caller that loads, and what its load meets.
type course struct {
	backend string
	options store.Options
	loads   []string // from the second on; the first is the one before
	before  bool     // somebody has come two seconds before
}

var courses = map[string]course{
	"a load":                  {backend: "by trip", options: store.Options{TTL: time.Hour}},
	"a load in memory":        {backend: "memory", options: store.Options{TTL: time.Hour}},
	"a load that is refused":  {backend: "refuses", options: store.Options{TTL: time.Hour}},
	"a load that may be kept": {backend: "doubts", options: store.Options{TTL: time.Hour}},
	"a load that fails": {
		"by trip", store.Options{TTL: time.Second, StaleIfError: time.Hour}, []string{"fails"}, true,
	},
	"a load of what is not modified": {
		"by trip", store.Options{TTL: time.Second, StaleIfError: time.Hour}, []string{"not modified"}, true,
	},
	"a refresh": {
		"by trip", store.Options{TTL: 4 * time.Second, EagerRefresh: 0.25}, []string{""}, true,
	},
}

// apart is by how many places the one of two callers is behind the other.
var apart = []int{0, 1, 4}

// TestI1_ForgettingAtEveryPlaceOfALoad tries out what chance may miss: a caller loads, something is forgotten at one
// place of its way, and others come at any other.
func TestI1_ForgettingAtEveryPlaceOfALoad(t *testing.T) {
	for name, c := range courses {
		t.Run(name, func(t *testing.T) {
			for at := range historyPlaces * historyPlaces * len(apart) {
				forget, one := at%historyPlaces, at/historyPlaces%historyPlaces
				two := one + apart[at/historyPlaces/historyPlaces]
				kind := []string{"reload", "write through", "set"}[at%3]
				h := c.history(kind, at%5, forget, one, two)
				if wrong := playHistory(t, h, historyBackends[c.backend]).wrong; len(wrong) > 0 {
					t.Fatalf("%s at %d, others at %d and %d: %s", kind, forget, one, two, wrong)
				}
			}
		})
	}
}

func (c course) history(kind string, with, forget, one, two int) history {
	const start = 2 * time.Second
	place := func(n int, after time.Duration) time.Duration { return start + time.Duration(n)*historyStep + after }
	events := []historyEvent{
		{At: start, Kind: "get or set"},
		{At: place(forget, 5*time.Millisecond), Kind: kind, With: with},
		{At: place(one, 2*time.Millisecond), Kind: "get or set"},
		{At: place(two, 7*time.Millisecond), Kind: "get or set"},
	}
	if c.before {
		events = append(events, historyEvent{Kind: "get or set"})
	}
	h := byHand(events...)
	h.Options[0] = c.options
	if c.before {
		h.Loads = append([]string{c.loads[0], ""}, slices.Repeat(c.loads, len(events))...) // they begin at 1
	}
	return h
}

// A value is given to nobody who comes after its time, however often it is asked for before.
func TestHistoryOfAValueEndsWithItsTTL(t *testing.T) {
	var events []historyEvent
	for at := range 60 {
		now := time.Duration(at) * 5 * time.Millisecond
		events = append(events, historyEvent{At: now, Kind: "get or set"}, historyEvent{At: now - 2*time.Millisecond, Kind: "get"})
	}
	h := byHand(events...)
	h.Pauses = []time.Duration{0}
	h.Options[0] = store.Options{TTL: 97 * time.Millisecond, Sliding: 40 * time.Millisecond, StaleIfError: time.Hour}
	for name, open := range historyBackends {
		if wrong := playHistory(t, h, open).wrong; len(wrong) > 0 {
			t.Errorf("%s: %s", name, wrong)
		}
	}
	memory := func() tripping { return tripping{memstore.New(memstore.Config{})} }
	for name, open := range map[string]func() store.Backend{
		"asking prolongs":    func() store.Backend { return slidingFor{memory()} },
		"hits do not expire": func() store.Backend { return &keepingCopies{tripping: memory(), eternal: true} },
	} {
		if wrong := playHistory(t, h, open).wrong; len(wrong) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// calm leaves of a history what forgets nothing, with values that are kept.
func calm(h history) history {
	h.Events = slices.DeleteFunc(h.Events, func(e historyEvent) bool {
		return !slices.Contains([]string{"get or set", "many", "get"}, e.Kind)
	})
	h.Loads = []string{""}
	h.Options = []store.Options{{TTL: time.Hour, Negative: time.Hour}}
	return h
}

// Whatever the order, what nobody forgets and what stays fresh is loaded once.
func TestStampedeIsOneLoadInEveryHistory(t *testing.T) {
	for _, name := range []string{"memory", "by trip", "in steps"} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := playHistory(t, calm(drawHistory(rt)), historyBackends[name])
				for _, wrong := range w.wrong {
					rt.Error(wrong)
				}
				for key := range w.source.rows {
					if n := w.source.rows[key].loads; n > 1 {
						rt.Errorf("row %d was loaded %d times", key, n)
					}
				}
				if w.alone > 0 {
					rt.Errorf("%d loads were shared with nobody", w.alone)
				}
			})
		})
	}
}

// Writers through the cache may overlap as they like: in the end it has what the source has, or nothing.
func TestI1_OverlappingWritersLeaveTheLastValue(t *testing.T) {
	for name, open := range historyBackends {
		t.Run(name, func(t *testing.T) {
			kept := 0
			rapid.Check(t, func(rt *rapid.T) {
				h := drawHistory(rt)
				for i := range h.Events {
					h.Events[i].Kind = []string{"write through", "write through", "get or set"}[i%3]
				}
				h.Events = h.Events[:2+len(h.Events)/5] // so few that one is the last
				h.Options = []store.Options{{TTL: time.Hour}}
				w := playHistory(t, h, open)
				for _, wrong := range w.wrong {
					rt.Error(wrong)
				}
				kept += w.kept
			})
			if kept == 0 && !slices.Contains([]string{"refuses", "unfenced"}, name) {
				t.Error("no writer ever left its value")
			}
		})
	}
}

// Two writers of one row overlap at every place of their ways.
func TestI1_TwoWritersAtEveryPlace(t *testing.T) {
	for _, name := range []string{"memory", "by trip", "in steps"} {
		for at := range 100 {
			h := byHand(
				historyEvent{Kind: "write through", With: 1},
				historyEvent{At: time.Duration(at%10)*historyStep + 5*time.Millisecond, Kind: "write through", With: 1},
				historyEvent{At: time.Duration(at/10) * 2 * historyStep, Kind: "get or set"},
			)
			h.Pauses = []time.Duration{historyStep, 4 * time.Millisecond, 13 * time.Millisecond}
			if wrong := playHistory(t, h, historyBackends[name]).wrong; len(wrong) > 0 {
				t.Errorf("%s", fmt.Sprint(name, at, wrong))
			}
		}
	}
}
