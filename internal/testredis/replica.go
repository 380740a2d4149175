package testredis

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// replicaOptions let a replica attach at once, and hear of the master's end soon.
var replicaOptions = []string{"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}

// StartPair runs a master and a replica of it, and waits until the replica follows. options are given to both.
func StartPair(tb testing.TB, options ...string) (master, replica *Server) {
	tb.Helper()
	options = append(append([]string(nil), replicaOptions...), options...)
	master, replica = Start(tb, options...), Start(tb, options...)
	replica.Follow(master)
	return master, replica
}

// Follow makes the server a replica of another one, and waits until it has what that one has.
func (s *Server) Follow(master *Server) {
	s.t.Helper()
	s.FollowAt(master.Addr())
}

// FollowAt is Follow for a master that is reached at an address of 127.0.0.1 that is not its own.
func (s *Server) FollowAt(addr string) {
	s.t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		s.t.Fatalf("testredis: %v", err)
	}
	s.Must("REPLICAOF", host, port)
	s.await("follow "+addr, func() bool {
		info, err := s.Do("INFO", "replication")
		return err == nil && strings.Contains(info, "master_link_status:up") &&
			strings.Contains(info, "master_port:"+port+"\r")
	})
}

// CatchUp waits until the replica has everything that its master has now.
func (s *Server) CatchUp(master *Server) {
	s.t.Helper()
	sent := infoNumber(master.Must("INFO", "replication"), "master_repl_offset")
	s.await("catch up with "+master.Addr(), func() bool {
		info, err := s.Do("INFO", "replication")
		return err == nil && infoNumber(info, "slave_repl_offset") >= sent
	})
}

// infoNumber returns a number of what INFO says.
func infoNumber(info, name string) int {
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, _ := strconv.Atoi(text) // 0, if it is none
			return n
		}
	}
	return 0
}

// Promote makes a replica a master. What its master had not yet sent is lost.
func (s *Server) Promote() {
	s.t.Helper()
	s.Must("REPLICAOF", "NO", "ONE")
}

// Forsake keeps a replica from hearing from its master any more, though it stays a replica. What the master is told from
// then on is lost by a Promote.
func (s *Server) Forsake() {
	s.t.Helper()
	s.Must("REPLICAOF", "127.0.0.1", "1") // nobody is there
}

// Master reports whether the server takes itself for one.
func (s *Server) Master() bool {
	role, err := s.Do("ROLE")
	return err == nil && strings.HasPrefix(role, "master")
}

// await asks until the answer is yes. That it never is ends the test.
func (s *Server) await(what string, yes func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(startWait); !yes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("testredis: %s did not %s within %s", s.Addr(), what, startWait)
		}
	}
}
