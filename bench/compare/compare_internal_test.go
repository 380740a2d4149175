package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/bench/internal/load"
	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// TestMain plays the parts for which this program runs itself: here that is the test's binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == roleServe || os.Args[1] == roleHit) {
		main()
		return
	}
	os.Exit(m.Run())
}

func try() *runner {
	return &runner{
		options: options{rounds: 1, seconds: 0.05, connections: 4, crowd: 20, rate: 200, handler: 10_000_000, root: "../.."},
		results: &record.Results{}, log: log.New(io.Discard, "", 0),
	}
}

// TestALoadFailsIfTheOriginRuns has a server without a cache pass for one that has it.
func TestALoadFailsIfTheOriginRuns(t *testing.T) {
	t.Parallel()
	r := try()
	var all []*contender
	for _, name := range []string{target.Echo, target.Ours, target.GinCache, target.EchoOrigin} {
		c, err := r.open(t.Context(), name, 1024)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		if err := c.warm(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		if err := stopAll(all); err != nil {
			t.Error(err)
		}
	}()
	all[3].cached = true
	if _, err := all[3].under(t.Context(), nil, func(addr string) (load.Result, error) {
		return load.Result{Requests: 1}, load.Check(t.Context(), addr, 7, 1024)
	}); !errors.Is(err, target.ErrOriginRan) {
		t.Errorf("got %v", err)
	}
	if err := r.load(t.Context(), all, r.pace(record.Paced, record.Small, 1024)); err != nil {
		t.Fatal(err)
	}
	if got := len(r.results.Targets(record.Paced, record.Small)); got != 3 || len(r.results.Notices) != 1 || r.failed != nil {
		t.Errorf("%d targets, notices %q, %v", got, r.results.Notices, r.failed)
	}
	// Of ours a wrong answer fails the whole run: here its page has another size than is wanted.
	all[1].size--
	if err := r.load(t.Context(), all[1:2], r.pace(record.HTTP, record.Small, 1024)); err != nil || r.failed == nil {
		t.Errorf("got %v, and the run has not failed", err)
	}
}

func TestAHitInAProcessOfItsOwn(t *testing.T) {
	t.Parallel()
	self, err := try().laidOut(t.Context(), t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	cost, err := hitOf(t.Context(), self, target.Ours, 1024, true, 10*time.Millisecond)
	if err != nil || cost.Nanoseconds <= 0 {
		t.Errorf("got %+v, %v", cost, err)
	}
	if _, err := hitOf(t.Context(), self, "nobody", 1024, true, 10*time.Millisecond); err == nil {
		t.Error("nobody was measured")
	}
}

// TestALaterRoundIsLinkedAnew, in another order of the same functions.
func TestALaterRoundIsLinkedAnew(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	var orders [][]string
	for round := 1; round <= 2; round++ {
		program, err := try().laidOut(t.Context(), temp, round)
		if err != nil {
			t.Fatal(err)
		}
		symbols, err := exec.CommandContext(t.Context(), "go", "tool", "nm", "-n", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for line := range strings.Lines(string(symbols)) {
			if parts := strings.Fields(line); len(parts) == 3 && parts[1] == "T" {
				order = append(order, parts[2])
			}
		}
		orders = append(orders, order)
		if cost, err := hitOf(t.Context(), program, target.Ours, 1024, false, 10*time.Millisecond); err != nil || cost.Nanoseconds <= 0 {
			t.Errorf("got %+v, %v", cost, err)
		}
	}
	if len(orders[0]) < 1000 || slices.Equal(orders[0], orders[1]) {
		t.Errorf("%d functions, in the same order twice", len(orders[0]))
	}
}

func TestAStampede(t *testing.T) {
	t.Parallel()
	r := try()
	all := []*contender{}
	for range 2 {
		c, err := r.open(t.Context(), target.EchoOrigin, 1024)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	defer func() { _ = stopAll(all) }()
	crowd, err := load.OpenCrowd(t.Context(), []string{all[0].server.Addr, all[1].server.Addr}, 20, 1024, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer crowd.Close()
	values, err := r.ask(t.Context(), crowd, all, 2)
	if err != nil || values[record.Runs] != 20 || values[record.Wall] <= 0 {
		t.Errorf("got %v, %v", values, err)
	}
}

func TestParseBench(t *testing.T) {
	t.Parallel()
	got, err := parseBench(`goos: linux
BenchmarkGetOrSetHit/plain/go-redis/cache/one-2         	  170000	      1454 ns/op	     424 B/op	       8 allocs/op
BenchmarkReads/memstore/2-2   	     100	   1000000 ns/op	         30.5 ns/read
PASS`)
	want := []measurement{
		{"GetOrSetHit/plain/go-redis/cache/one", map[string]float64{record.Nanoseconds: 1454, record.Bytes: 424, record.Allocs: 8}},
		{"Reads/memstore/2", map[string]float64{record.Nanoseconds: 1e6, "ns/read": 30.5}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parseBench("PASS"); err == nil {
		t.Error("nothing is something")
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{{"-rounds", "0"}, {"-seconds", "-1"}, {"more"}, {"-rate", "x"}} {
		if err := compare(context.Background(), bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
