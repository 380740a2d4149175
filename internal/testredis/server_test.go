package testredis_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
)

func TestStartAnswersAndKeepsNothing(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	s.Must("SET", "k", "v")
	if got := s.Must("GET", "k"); got != "v" {
		t.Errorf("GET = %q, want v", got)
	}
	if got := s.Must("CONFIG", "GET", "save"); got != "save\n" {
		t.Errorf("save = %q, want none", got)
	}
	s.Restart()
	if got := s.Must("GET", "k"); got != "" {
		t.Errorf("after a restart GET = %q, want nothing", got)
	}
	if _, err := s.Do("NOSUCH"); err == nil {
		t.Error("an unknown command is no error")
	}
	if files, err := os.ReadDir(s.Dir()); err != nil || len(files) > 0 {
		t.Errorf("files: %v (%v), want none", files, err)
	}
}

func TestOptionsOverruleOurs(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t, "--maxmemory", "64mb")
	s.Must("SET", "k", "v")
	s.Must("SAVE")
	if _, err := os.Stat(s.File("dump.rdb")); err != nil {
		t.Error(err)
	}
	s.Restart()
	if got := s.Must("GET", "k"); got != "v" {
		t.Errorf("after SAVE and a restart GET = %q, want v", got)
	}
	if got := s.Must("CONFIG", "GET", "maxmemory"); got != "maxmemory\n67108864" {
		t.Errorf("maxmemory = %q", got)
	}
}

func TestPauseHangsTheServer(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	s.Pause()
	answered := make(chan time.Time, 1)
	go func() {
		_, _ = s.Do("PING")
		answered <- time.Now()
	}()
	time.Sleep(100 * time.Millisecond)
	select {
	case <-answered:
		t.Error("a paused server answers")
	default:
	}
	resumed := time.Now()
	s.Resume()
	if at := <-answered; at.Before(resumed) {
		t.Error("it answered before Resume")
	}
}

func TestStopEndsAPausedServer(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	s.Pause()
	s.Stop()
	s.Stop()
	if _, err := s.Do("PING"); err == nil {
		t.Error("a stopped server answers")
	}
	s.Restart()
	s.Must("PING")
}

func TestClusterOfThree(t *testing.T) {
	t.Parallel()
	nodes := testredis.StartCluster(t, 3)
	moved := 0
	for _, node := range nodes {
		if _, err := node.Do("SET", "k", "v"); err != nil && strings.HasPrefix(err.Error(), "MOVED") {
			moved++
		} else if err != nil {
			t.Error(err)
		}
	}
	if moved != 2 {
		t.Errorf("%d of 3 nodes send a key elsewhere, want 2", moved)
	}
}
