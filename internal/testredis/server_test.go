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

func TestAPairFollowsAndIsPromoted(t *testing.T) {
	t.Parallel()
	master, replica := testredis.StartPair(t)
	master.Must("SET", "k", "before")
	replica.CatchUp(master)
	if got := replica.Must("GET", "k"); got != "before" {
		t.Errorf("the replica has %q", got)
	}
	replica.Forsake()
	master.Must("SET", "k", "lost")
	if replica.Master() || !master.Master() {
		t.Error("the replica takes itself for the master, or the master does not")
	}
	replica.Promote()
	if got := replica.Must("GET", "k"); got != "before" || !replica.Master() {
		t.Errorf("the new master has %q", got)
	}
	master.Follow(replica)
	if got := master.Must("GET", "k"); got != "before" {
		t.Errorf("the old master has %q after it follows", got)
	}
}

func TestSentinelsFailOver(t *testing.T) {
	t.Parallel()
	g := testredis.StartSentinels(t)
	old := g.Master()
	if old != g.Nodes[0] {
		t.Fatalf("the master is %v", old)
	}
	old.Must("SET", "k", "v")
	g.Replica(old).CatchUp(old)
	old.Stop()
	now := g.AwaitFailover(old)
	if got := now.Must("GET", "k"); got != "v" {
		t.Errorf("the new master has %q", got)
	}
}

func TestTheEnvironmentNamesTheServer(t *testing.T) {
	t.Setenv("REDIS_SERVER", "")
	found := testredis.Start(t) // or the test is skipped
	info := found.Must("INFO", "server")
	var path string
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "executable:"); ok {
			path = v
		}
	}
	link := t.TempDir() + "/some-server"
	if err := os.Symlink(path, link); err != nil {
		t.Skip("NOT TESTED: no symbolic links here: ", err)
	}
	t.Setenv("REDIS_SERVER", link)
	if info := testredis.Start(t).Must("INFO", "server"); !strings.Contains(info, "executable:"+link) {
		t.Errorf("not the one that was named: %s", info)
	}
}
