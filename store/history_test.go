package store_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// historyEvent is something that happens in a history at a moment of synthetic time.
type historyEvent struct {
	At   time.Duration
	Key  int
	Kind string
	With int // chooses among what the kind leaves open
}

// history is a random course of events. Between any two steps of a caller there is a pause, drawn as well: the points
// are the store's own (after the look-up, the load, the seal, the store), and those of the source and the backend,
// both of which are slow.
type history struct {
	Events  []historyEvent
	Pauses  []time.Duration
	Loads   []string // how they end, in turn
	Options []store.Options
	Tongue  string // the type of the values
	Padding int    // makes them large
}

const (
	historyThrottle = 10 * time.Millisecond
	historyTimeout  = time.Second             // of a load; a second later it is abandoned
	historyHang     = 2200 * time.Millisecond // what a load takes that does not heed its context
)

// historyKinds are what can happen, as often as it stands here.
var historyKinds = slices.Concat(
	slices.Repeat([]string{"get or set"}, 12), slices.Repeat([]string{"many"}, 4),
	slices.Repeat([]string{"get"}, 3), slices.Repeat([]string{"leave"}, 2),
	slices.Repeat([]string{"write"}, 5), slices.Repeat([]string{"write through"}, 4),
	[]string{"remove", "remove", "reload", "reload", "set", "other type"},
)

func drawHistory(rt *rapid.T) history {
	moments := make([]int, 100) // sampled, because drawn from a range the early ones would come too often
	for i := range moments {
		moments[i] = i
	}
	one := rapid.Custom(func(t *rapid.T) historyEvent {
		return historyEvent{
			time.Duration(rapid.SampledFrom(moments).Draw(t, "at")) * time.Millisecond,
			rapid.SampledFrom([]int{0, 1, 1, 1, 2}).Draw(t, "key"),
			rapid.SampledFrom(historyKinds).Draw(t, "kind"), rapid.IntRange(0, 14).Draw(t, "with"),
		}
	})
	pause := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3, 5, 8, 13}).Draw(t, "pause")) * time.Millisecond
	})
	end := rapid.SampledFrom([]string{
		"", "", "", "", "", "", "not modified", "not modified", "not modified", "not modified",
		"fails", "fails", "panics", "no-store", "short", "hangs",
	})
	return history{
		Events: rapid.SliceOfN(one, 15, 60).Draw(rt, "events"),
		Pauses: rapid.SliceOfN(pause, 11, 11).Draw(rt, "pauses"),
		Loads:  rapid.SliceOfN(end, 1, 6).Draw(rt, "loads"),
		Options: []store.Options{
			rapid.Custom(drawOptions).Draw(rt, "options"), rapid.Custom(drawOptions).Draw(rt, "options"),
		},
		Tongue: rapid.SampledFrom([]string{"plain", "deep", "immutable"}).Draw(rt, "tongue"),
	}
}

func drawOptions(t *rapid.T) store.Options {
	ms := func(label string, of ...int) time.Duration {
		return time.Duration(rapid.SampledFrom(of).Draw(t, label)) * time.Millisecond
	}
	return store.Options{
		TTL: ms("ttl", 10, 30, 500), Sliding: ms("sliding", 0, 0, 20), StaleIfError: ms("stale", 0, 40, 500),
		SoftTimeout: ms("soft", 0, 0, 3), Timeout: ms("timeout", 0, 0, 0, 15), Negative: ms("negative", 0, 30, 500),
		MaxBytes:     rapid.SampledFrom([]int64{0, 0, 0, 0, 8}).Draw(t, "most"),
		EagerRefresh: rapid.SampledFrom([]float64{0, 0, 0.25}).Draw(t, "eager"),
		Jitter:       rapid.SampledFrom([]float64{0, 0.2}).Draw(t, "jitter"),
	}
}

// playHistory plays a history in a bubble of its own: a goroutine that is left behind fails it.
func playHistory(t *testing.T, h history, open func() store.Backend) (w *historyWorld) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { w = h.run(open) })
	return w
}

// historyBackends are those under which every history has to hold: with and without the look-up that copies nothing and
// the Replace in one step, one that forgets on its own, and some that keep nothing, under which waiters live on the
// answers of flights alone.
var historyBackends = map[string]func() store.Backend{
	"memory":   func() store.Backend { return memstore.New(memstore.Config{}) },
	"by trip":  func() store.Backend { return tripping{memstore.New(memstore.Config{})} },
	"in steps": func() store.Backend { return struct{ store.Backend }{memstore.New(memstore.Config{})} },
	"small":    func() store.Backend { return memstore.New(memstore.Config{MaxBytes: 64 << 10, Shards: 1}) },
	"refuses":  func() store.Backend { return refusingAll{memstore.New(memstore.Config{})} },
	"doubts":   func() store.Backend { return doubting{memstore.New(memstore.Config{})} },
	"unfenced": func() store.Backend { return unfencing{memstore.New(memstore.Config{})} },
}

// historyRounds is how often rapid's hundred histories are played.
const historyRounds = 4

func TestI1_ForgettingBeatsEveryEarlierLoad(t *testing.T) {
	for name, open := range historyBackends {
		t.Run(name, func(t *testing.T) {
			for range historyRounds {
				rapid.Check(t, func(rt *rapid.T) {
					h := drawHistory(rt)
					if name == "small" {
						h.Padding = 8 << 10
					}
					for _, wrong := range playHistory(t, h, open).wrong {
						rt.Error(wrong)
					}
				})
			}
		})
	}
}
