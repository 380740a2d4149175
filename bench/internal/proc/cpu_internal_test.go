package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/child"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const line = "4711 (a (strange) name) S 17 4711 4711 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 100 1 2"
	id, parent, cpu, err := parseStat([]byte(line))
	if err != nil || id != 4711 || parent != 17 || cpu != 3*time.Second {
		t.Errorf("got %d, %d, %s, %v", id, parent, cpu, err)
	}
	for _, bad := range []string{"", "4711", "4711 (x) S 17", "x (y) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14"} {
		if _, _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestDescends(t *testing.T) {
	t.Parallel()
	parents := map[int]int{2: 1, 3: 2, 4: 1, 8: 9, 9: 8}
	for id, want := range map[int]bool{2: true, 3: true, 4: false, 1: false, 8: false, 77: false} {
		if got := descends(id, 2, parents); got != want {
			t.Errorf("%d: %t", id, got)
		}
	}
}

// TestCPU has a shell that is busy.
func TestCPU(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("no /proc")
	}
	p, err := start(t.Context(), exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		cpu, err := p.CPU()
		if err != nil {
			t.Fatal(err)
		}
		if cpu >= 3*tick {
			break
		}
		time.Sleep(time.Millisecond) // the child works meanwhile; the test's own limit ends the wait
	}
	if err := p.Ended(); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := p.Ended(); err == nil {
		t.Error("a process that has ended is still there")
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, _, err := onFreePort(context.Background(), "no-such-program", nil); !errors.Is(err, ErrNotHere) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat("/proc"); err == nil {
		p := &Process{command: &exec.Cmd{Process: &os.Process{Pid: 1 << 30}}, log: &child.Output{}}
		if _, err := p.CPU(); err == nil {
			t.Error("a process that is not there has used time")
		}
	}
}
