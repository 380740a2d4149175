package tiered_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/storetest"
	"github.com/echocache/echocache/store/tiered"
)

// own closes the remote with the store in front of it.
type own struct{ *door }

func (o own) Close() error { return o.records.Close() }

func opened(mode tiered.Mode) func(t *testing.T) store.Backend {
	return func(t *testing.T) store.Backend {
		t.Helper()
		s := tiered.New(memstore.New(memstore.Config{}), own{&door{remote: newRemote(t)}}, tiered.Config{Mode: mode})
		synctest.Wait() // it has a lease
		return s
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, mode := range []tiered.Mode{tiered.Lease, tiered.Bounded} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, opened(mode))
		})
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	storetest.Property(t, opened(tiered.Lease))
}

// put fills key "k".
func put(t *testing.T, s store.Backend, value string, tags ...string) {
	t.Helper()
	found, err := s.Lookup(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Store(t.Context(), "k", store.Record{Value: []byte(value), Tags: tags, TTL: time.Hour, Fence: found[0].Fence})
	if v != store.Stored || err != nil {
		t.Fatalf("%v, %v", v, err)
	}
}

// look returns what is under "k", or "".
func look(t *testing.T, s store.Backend) string {
	t.Helper()
	found, err := s.Lookup(t.Context(), "k")
	switch {
	case err != nil:
		return err.Error()
	case found[0].Record == nil:
		return ""
	}
	return string(found[0].Record.Value)
}

// peek returns what memory alone has under "k", or "".
func peek(s *tiered.Store) string {
	held, _, ok := s.Peek([]byte("k"))
	if !ok {
		return ""
	}
	return string(held.Record().Value)
}

func TestAHitIsNoTrip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		a, _ := process(t, r, tiered.Lease)
		b, door := process(t, r, tiered.Lease)
		synctest.Wait()
		put(t, a, "v", "tag")
		if peek(a) != "v" || peek(b) != "" {
			t.Error("what was stored is not in its process's memory, or is in another's")
		}
		if look(t, b) != "v" {
			t.Error("the other process does not find it")
		}
		before := door.trips
		for range 10 {
			if peek(b) != "v" || look(t, b) != "v" {
				t.Error("it is not in memory after a look-up")
			}
		}
		if door.trips != before {
			t.Errorf("%d trips for hits in memory", door.trips-before)
		}
		found, err := b.Lookup(t.Context(), "k")
		if err != nil || found[0].Fence.Epoch == [16]byte{} || found[0].Left <= 0 {
			t.Errorf("%+v, %v: a hit in memory has no fence for a refresh, or no time left", found, err)
		}
		if info := b.Info(); !info.Leased || info.Hits < 20 || info.Polls == 0 || info.Mode != "lease" {
			t.Errorf("%+v", info)
		}
	})
}

// Once Evict has returned, no memory anywhere has what was evicted: the other process was told.
func TestI1_AnEvictionReachesEveryMemory(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(ctx context.Context, s *tiered.Store) error{
		"Evict":  func(ctx context.Context, s *tiered.Store) error { return s.Evict(ctx, "other", "tag") },
		"Delete": func(ctx context.Context, s *tiered.Store) error { return s.Delete(ctx, "k") },
		"Replace": func(ctx context.Context, s *tiered.Store) error {
			found, err := s.Lookup(ctx, "k")
			_, err2 := s.Replace(ctx, "k", store.Record{TTL: 1, Fence: found[0].Fence})
			time.Sleep(time.Nanosecond)
			return errors.Join(err, err2)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRemote(t)
			a, _ := process(t, r, tiered.Lease)
			b, _ := process(t, r, tiered.Lease)
			synctest.Wait()
			for range 3 {
				put(t, a, "v", "tag")
				if look(t, b) != "v" || peek(b) != "v" {
					t.Fatal("it is not there")
				}
				began := time.Now()
				if err := forget(t.Context(), a); err != nil {
					t.Error(err)
				}
				if d := time.Since(began); d > 10*time.Millisecond {
					t.Errorf("%s: it took %v, with everybody listening", name, d)
				}
				if peek(b) != "" || look(t, b) != "" || peek(a) != "" || look(t, a) != "" {
					t.Errorf("%s: it is still there", name)
				}
			}
		})
	}
}

// A process that is cut off answers from memory until its lease is over, and an eviction waits for that.
func TestI1_AProcessThatIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		a, _ := process(t, r, tiered.Lease)
		b, door := process(t, r, tiered.Lease)
		synctest.Wait()
		put(t, a, "v", "tag")
		look(t, b)
		door.set(func() { door.cut = true })
		if peek(b) != "v" {
			t.Error("its lease is not over")
		}
		began := time.Now()
		if err := a.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d < tiered.DefaultLease*3/4 || d > tiered.DefaultLease*11/10 {
			t.Errorf("the eviction waited %v", d)
		}
		if peek(b) != "" {
			t.Error("memory answers with what was evicted")
		}
		// Back again, it is told what it has missed before it answers from memory.
		door.set(func() { door.cut = false })
		time.Sleep(time.Second)
		if peek(b) != "" || look(t, b) != "" {
			t.Error("memory has kept what was evicted meanwhile")
		}
		put(t, a, "w", "tag")
		if look(t, b) != "w" || peek(b) != "w" {
			t.Error("memory does not work any more")
		}
	})
}

// The lease begins when the question is sent. Counted from the answer, it would outlive an eviction that has waited.
func TestI1_ASlowAnswerShortensTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		a, _ := process(t, r, tiered.Lease)
		b, door := process(t, r, tiered.Lease)
		synctest.Wait()
		put(t, a, "v", "tag")
		look(t, b)
		// b's next question arrives at once and its answer late; then nothing of b gets through.
		door.set(func() { door.reply = 200 * time.Millisecond })
		time.Sleep(tiered.DefaultLease/3 + time.Millisecond)
		door.set(func() { door.reply, door.cut = 0, true })
		if err := a.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		if peek(b) != "" {
			t.Error("memory answers with what was evicted")
		}
	})
}

// What is on its way into memory while it is evicted does not arrive.
func TestI1_AnEvictionBeatsWhatIsOnItsWayIntoMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		a, _ := process(t, r, tiered.Lease)
		late := &lateDoor{door: &door{remote: r}, arrived: make(chan struct{}), goOn: make(chan struct{})}
		b := tiered.New(memstore.New(memstore.Config{}), late, tiered.Config{})
		defer b.Close()
		synctest.Wait()
		put(t, a, "v", "tag")
		done := make(chan string)
		go func() { done <- look(t, b) }()
		<-late.arrived // the remote has answered, and memory does not have it yet
		if err := a.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		close(late.goOn)
		if got := <-done; got != "v" {
			t.Errorf("who asked before gets %q", got)
		}
		if peek(b) != "" {
			t.Error("it arrived in memory")
		}
	})
}

// lateDoor holds an answer to Lookup back, once.
type lateDoor struct {
	*door

	arrived, goOn chan struct{}
}

func (d *lateDoor) Lookup(ctx context.Context, keys ...string) ([]store.Found, error) {
	found, err := d.door.Lookup(ctx, keys...)
	select {
	case <-d.goOn:
	default:
		close(d.arrived)
		<-d.goOn
	}
	return found, err
}

// Bounded: evictions do not wait, and memory is a lease behind at most.
func TestBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		a, _ := process(t, r, tiered.Lease)
		b, door := process(t, r, tiered.Bounded)
		synctest.Wait()
		put(t, a, "v", "tag")
		look(t, b)
		door.set(func() { door.cut = true })
		began := time.Now()
		if err := a.Evict(t.Context(), "tag"); err != nil || time.Since(began) > time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if peek(b) != "v" {
			t.Error("it was told, and nothing was evicted for it")
		}
		time.Sleep(tiered.DefaultLease)
		if peek(b) != "" {
			t.Error("memory is more than a lease behind")
		}
	})
}

// Sliding is for the remote to keep: memory asks it again within a quarter of the window.
func TestSlidingReachesTheRemote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		a, _ := process(t, r, tiered.Lease)
		synctest.Wait()
		f, err := a.Lookup(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Store(t.Context(), "k", store.Record{Value: []byte("v"), TTL: time.Hour, Sliding: time.Minute, Fence: f[0].Fence})
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			time.Sleep(10 * time.Second)
			if look(t, a) != "v" {
				t.Fatal("it was looked up, and is gone")
			}
		}
		time.Sleep(time.Minute)
		if look(t, a) != "" {
			t.Error("nobody looked it up, and it is there")
		}
	})
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	good := func() store.Backend { return &door{remote: newRemote(t)} }
	for want, s := range map[string]*tiered.Store{
		"local is nil":            tiered.New(nil, good(), tiered.Config{}),
		"remote is nil":           tiered.New(memstore.New(memstore.Config{}), nil, tiered.Config{}),
		"cannot tell what others": tiered.New(memstore.New(memstore.Config{}), memstore.New(memstore.Config{}), tiered.Config{}),
		"Lease is -1ns":           tiered.New(memstore.New(memstore.Config{}), good(), tiered.Config{Lease: -1}),
		"Lease is 1ms":            tiered.New(memstore.New(memstore.Config{}), good(), tiered.Config{Lease: time.Millisecond}),
		"Mode is Mode(7)":         tiered.New(memstore.New(memstore.Config{}), good(), tiered.Config{Mode: 7}),
		"MaxBytes":                tiered.New(memstore.New(memstore.Config{MaxBytes: -1}), good(), tiered.Config{}),
	} {
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
		if found, err := s.Lookup(t.Context(), "k"); err != nil || found[0].Record != nil {
			t.Errorf("%s: %v, %v", want, found, err)
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// The tests notice what they are for.
func TestMutantsOfTheRemote(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"nobody is remembered", "evictions do not wait"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRemote(t)
			r.fault = fault
			a, _ := process(t, r, tiered.Lease)
			b, door := process(t, r, tiered.Lease)
			synctest.Wait()
			put(t, a, "v", "tag")
			look(t, b)
			door.set(func() { door.cut = true })
			if err := a.Evict(t.Context(), "tag"); err != nil {
				t.Error(err)
			}
			if peek(b) != "v" {
				t.Errorf("%s: not noticed", fault)
			}
		})
	}
}

// While the remote is away memory may answer for a while past its lease, if it is asked to, but never with what was evicted
// here; when the remote is back it is told what it has missed before it answers as usual.
func TestOffline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		door := &door{remote: r}
		s := tiered.New(memstore.New(memstore.Config{}), door, tiered.Config{OfflineFor: time.Minute})
		defer s.Close()
		other, _ := process(t, r, tiered.Lease)
		synctest.Wait()
		offline := func() bool {
			_, _, ok := s.PeekOffline([]byte("k"))
			return ok
		}
		put(t, s, "v", "tag")
		if offline() {
			t.Error("the remote is there")
		}
		door.set(func() { door.cut = true })
		time.Sleep(time.Second)
		if peek(s) != "" || !offline() {
			t.Error("its lease is over, and it is asked to answer all the same")
		}
		if err := other.Evict(t.Context(), "tag"); err != nil {
			t.Error(err)
		}
		if !offline() {
			t.Error("it cannot know")
		}
		time.Sleep(time.Minute)
		if offline() {
			t.Error("longer than it may")
		}
		door.set(func() { door.cut = false })
		time.Sleep(time.Second)
		if offline() || peek(s) != "" || look(t, s) != "" {
			t.Error("it was not told what it has missed")
		}
		put(t, s, "w", "tag")
		door.set(func() { door.cut = true })
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Evict(ctx, "tag"); err == nil || offline() {
			t.Errorf("%v: it answers with what was evicted here", err)
		}
		if n := s.Info().Offline; n != 2 {
			t.Errorf("%d were counted", n)
		}
	})
}

// refusing cannot be evicted in, and says so at once.
type refusing struct{ *door }

func (refusing) Evict(context.Context, ...string) error { return errDown }

// An eviction that is not confirmed is answered when the leases are over that others may hold: if the remote answers nobody
// any more, their memory does not answer either. Later ones do not wait.
func TestAnEvictionThatIsNotConfirmedWaitsForLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRemote(t)
		a := tiered.New(memstore.New(memstore.Config{}), refusing{&door{remote: r}}, tiered.Config{})
		defer a.Close()
		b, door := process(t, r, tiered.Lease)
		synctest.Wait()
		put(t, b, "v", "tag")
		door.set(func() { door.cut = true })
		began := time.Now()
		if err := a.Evict(t.Context(), "tag"); !errors.Is(err, errDown) {
			t.Error(err)
		}
		if d := time.Since(began); d != tiered.DefaultLease*11/10 {
			t.Errorf("it waited %v", d)
		}
		if peek(b) != "" {
			t.Error("the other process answers from memory")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := a.Evict(ctx, "tag"); !errors.Is(err, errDown) {
			t.Error(err)
		}
	})
}
