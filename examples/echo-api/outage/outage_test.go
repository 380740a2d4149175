package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is what a run prints. It may be read while it does.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// needRedis skips the test where there is no server, loudly.
func needRedis(t *testing.T) {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	if os.Getenv("REQUIRE_REDIS") == "1" {
		t.Fatal(errNoRedis)
	}
	t.Skip("NOT TESTED: ", errNoRedis)
}

func seconds(name string) string {
	if name == "OUTAGE_SECONDS" {
		return "1"
	}
	return ""
}

// What is queued is not judged here: it is the promise of an eviction that was not confirmed, and the verdict says so.
func TestOutageIsNoticedByNobody(t *testing.T) {
	t.Parallel()
	needRedis(t)
	out := &lines{}
	v, err := run(t.Context(), seconds, out)
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
	all := v.sum()
	if all.errors+all.stale > 0 || len(all.reads) == 0 || len(all.writes) == 0 {
		t.Errorf("%d reads, %d writes, %d errors, %d stale answers", len(all.reads), len(all.writes), all.errors, all.stale)
	}
	if got := strings.Count(out.String(), "A: breaker "); got != len(phases(nil)) {
		t.Errorf("%d phases were printed", got)
	}
}

// Ctrl-C in the middle ends everything, the paused server as well, and leaves no file.
func TestInterruptEndsEverything(t *testing.T) {
	needRedis(t)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &lines{}
	go func() {
		for ctx.Err() == nil && !strings.Contains(out.String(), " paused ") {
			time.Sleep(10 * time.Millisecond)
		}
		interrupt()
	}()
	if _, err := run(ctx, seconds, out); !errors.Is(err, errInterrupted) {
		t.Errorf("run = %v, want %v", err, errInterrupted)
	}
	left, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s is left", entry.Name())
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	least := [written]int64{0: 7}
	tests := []struct {
		name, page string
		old, fails bool
	}{
		{"the price that was written", `{"id":1,"price_cents":7}`, false, false},
		{"a later one", `{"id":1,"price_cents":8}`, false, false},
		{"an older one", `{"id":1,"price_cents":6}`, true, false},
		{"another product", `{"id":2,"price_cents":1}`, false, false},
		{"one that is never written", `{"id":99,"price_cents":1}`, false, false},
		{"an older one in a list", `{"products":[{"id":2,"price_cents":9},{"id":1,"price_cents":6}]}`, true, false},
		{"no product", `{}`, false, true},
		{"no page", `Bad Gateway`, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old, err := stale([]byte(tt.page), &least)
			if (old != "") != tt.old || (err != nil) != tt.fails {
				t.Errorf("stale = %q, %v", old, err)
			}
		})
	}
}

func TestWrongLengthsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "-1", "5s", "half"} {
		if _, err := phaseLength(func(string) string { return text }); err == nil {
			t.Errorf("OUTAGE_SECONDS=%s is accepted", text)
		}
	}
}
