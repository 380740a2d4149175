package testredis

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// MasterName is what the sentinels call the master.
const MasterName = "mymaster"

// downAfter is how long a master may be silent before a sentinel gives it up, in milliseconds.
const downAfter = 500

// failoverWait is how long sentinels may take for a failover: they wait at random before they vote.
const failoverWait = 20 * time.Second

// Sentinels are a master, its replica, and three sentinels that watch them.
type Sentinels struct {
	Nodes     [2]*Server // the first one is the master at first
	Sentinels [3]*Server
}

// StartSentinels runs a master, a replica and three sentinels, and waits until they all know of each other. options are
// given to master and replica.
func StartSentinels(tb testing.TB, options ...string) *Sentinels {
	tb.Helper()
	g := &Sentinels{}
	g.Nodes[0], g.Nodes[1] = StartPair(tb, options...)
	for i := range g.Sentinels {
		g.Sentinels[i] = run(tb, (*Server).sentinelCommand, []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", MasterName, g.Nodes[0].port),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", MasterName, downAfter),
			fmt.Sprintf("sentinel failover-timeout %s 2000", MasterName),
			fmt.Sprintf("sentinel parallel-syncs %s 1", MasterName),
		})
	}
	for _, s := range g.Sentinels {
		s.await("meet the others", func() bool {
			about, err := s.Do("SENTINEL", "MASTER", MasterName)
			return err == nil && value(about, "num-slaves") == "1" && value(about, "num-other-sentinels") == "2" &&
				value(about, "flags") == "master"
		})
	}
	return g
}

// sentinelCommand writes a sentinel's file, which it keeps its own notes in, and returns its command line.
func (s *Server) sentinelCommand() []string {
	if _, err := os.Stat(s.File("sentinel.conf")); err != nil {
		lines := append([]string{
			"port " + strconv.Itoa(s.port), "bind 127.0.0.1", "dir " + strconv.Quote(s.dir), "loglevel warning",
		}, s.options...)
		if err := os.WriteFile(s.File("sentinel.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			s.t.Errorf("testredis: %v", err)
		}
	}
	return []string{s.File("sentinel.conf"), "--sentinel"}
}

// Addrs returns where the sentinels listen.
func (g *Sentinels) Addrs() []string {
	addrs := make([]string, len(g.Sentinels))
	for i, s := range g.Sentinels {
		addrs[i] = s.Addr()
	}
	return addrs
}

// Master returns the node that the sentinels call the master, or nil if they do not agree.
func (g *Sentinels) Master() *Server {
	var master *Server
	for i, s := range g.Sentinels {
		reply, err := s.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName)
		if err != nil {
			return nil
		}
		said := g.node(reply)
		if said == nil || i > 0 && said != master {
			return nil
		}
		master = said
	}
	return master
}

// node returns the one at an address, which is told in two lines.
func (g *Sentinels) node(reply string) *Server {
	for _, n := range g.Nodes {
		if reply == "127.0.0.1\n"+strconv.Itoa(n.port) {
			return n
		}
	}
	return nil
}

// Replica returns the node that is not m.
func (g *Sentinels) Replica(m *Server) *Server {
	if g.Nodes[0] == m {
		return g.Nodes[1]
	}
	return g.Nodes[0]
}

// AwaitFailover waits until all sentinels have another master than the old one, and that one takes itself for it.
func (g *Sentinels) AwaitFailover(old *Server) (now *Server) {
	old.t.Helper()
	for deadline := time.Now().Add(failoverWait); ; time.Sleep(10 * time.Millisecond) {
		if now = g.Master(); now != nil && now != old && now.Master() {
			return now
		}
		if time.Now().After(deadline) {
			old.t.Fatalf("testredis: the sentinels had no other master within %s", failoverWait)
		}
	}
}

// value returns what follows a name in a reply that tells one a line, after its name.
func value(reply, name string) string {
	lines := strings.Split(reply, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		if lines[i] == name {
			return lines[i+1]
		}
	}
	return ""
}
