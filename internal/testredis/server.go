package testredis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/child"
)

const (
	startWait = 30 * time.Second // for a server to answer; it may have much to load
	stopWait  = 5 * time.Second  // for a server to end when asked to
	attempts  = 5                // a port that was free may be taken by the time the server wants it
	maxMemory = "256mb"
)

// Server is a running redis-server of its own for one test. Methods may be called concurrently, but for those that
// stop and start it: one at a time.
type Server struct {
	t       testing.TB
	binary  string
	dir     string
	port    int
	options []string
	command func(s *Server) []string // its command line

	mu      sync.Mutex
	process *exec.Cmd     // nil when it does not run
	ended   chan struct{} // closed when process has
	log     *child.Output
}

// Start runs a server until the end of the test. options are given to it as they would stand on its command line
// ("--save", "60 1"), after our own, which they overrule. Without a server on PATH the test is skipped.
func Start(tb testing.TB, options ...string) *Server {
	tb.Helper()
	return run(tb, (*Server).serverCommand, options)
}

func run(tb testing.TB, command func(*Server) []string, options []string) *Server {
	tb.Helper()
	s := &Server{t: tb, binary: find(tb), dir: tb.TempDir(), options: options, command: command}
	tb.Cleanup(s.Stop)
	for attempt := range attempts {
		s.port = freePort(tb)
		err := s.start()
		if err == nil {
			return s
		}
		if attempt == attempts-1 {
			tb.Fatalf("testredis: %v", err)
		}
	}
	return s
}

// binaryVariable names the server to use in the environment: a path, or a name on PATH.
const binaryVariable = "REDIS_SERVER"

// find returns the server's binary: the one that the environment names, else the first on PATH.
func find(tb testing.TB) string {
	tb.Helper()
	if name := os.Getenv(binaryVariable); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			tb.Fatalf("testredis: %s is %q: %v", binaryVariable, name, err) // who names one wants no other, and no skip
		}
		return path
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "NO redis-server OR valkey-server ON PATH: install one, version 7 or later (Debian, Ubuntu: " +
		"apt-get install redis-server; macOS: brew install redis), or name one in " + binaryVariable
	if os.Getenv("REQUIRE_REDIS") == "1" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// Ports are taken at random from below those that the system gives to whoever asks for any, so that a server that is
// stopped finds its own again.
const (
	firstPort = 12000
	lastPort  = 30000 // a cluster's bus is 10,000 above
)

// freePort returns a port on which nobody listens now.
func freePort(tb testing.TB) int {
	tb.Helper()
	var config net.ListenConfig
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := config.Listen(tb.Context(), "tcp", address(port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	tb.Fatalf("testredis: found no free port from %d to %d", firstPort, lastPort)
	return 0
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Addr returns the server's host and port.
func (s *Server) Addr() string { return address(s.port) }

// Dir returns the server's working directory, where its files are.
func (s *Server) Dir() string { return s.dir }

// File returns the path of a file in the server's working directory, "dump.rdb" for one.
func (s *Server) File(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) serverCommand() []string {
	return append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no",
		"--maxmemory", maxMemory, "--maxmemory-policy", "noeviction", "--daemonize", "no", "--loglevel", "warning",
	}, s.options...)
}

// start runs the server and waits until it answers.
func (s *Server) start() error {
	// Not CommandContext: the test's context ends before its cleanups, and the server has to outlive those of clients.
	process := exec.Command(s.binary, s.command(s)...) //nolint:noctx // see above; Stop ends it
	output := &child.Output{}
	process.Stdout, process.Stderr = output, output
	process.SysProcAttr = child.EndsWithParent()
	if err := process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.binary, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = process.Wait() // that it was killed is no news
		close(ended)
	}()
	s.mu.Lock()
	s.process, s.ended, s.log = process, ended, output
	s.mu.Unlock()
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case <-ended:
			return fmt.Errorf("%s ended at once: %s", s.binary, output)
		default:
		}
		if reply, err := s.Do("PING"); err == nil && reply == "PONG" {
			return nil
		}
	}
	s.Stop()
	return fmt.Errorf("%s did not answer within %s: %s", s.binary, startWait, output)
}

// Stop ends the server at once and without saving, as a crash would. It does nothing if the server does not run.
func (s *Server) Stop() {
	s.mu.Lock()
	process, ended := s.process, s.ended
	s.process = nil
	s.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Process.Kill() // it may have ended by itself; a paused one is killed too
	select {
	case <-ended:
	case <-time.After(stopWait):
		s.t.Errorf("testredis: process %d did not end within %s", process.Process.Pid, stopWait)
	}
}

// Restart stops the server and runs it again on the same port, with what it had saved.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		s.t.Fatalf("testredis: restart: %v", err)
	}
}

// Pause makes the server hang: it accepts connections and answers nothing, as a machine that is out of breath.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	process := s.process
	s.mu.Unlock()
	if process == nil {
		s.t.Fatal("testredis: the server does not run")
		return
	}
	if err := process.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatalf("testredis: %s: %v", sig, err)
	}
}

// Must runs a command as Do does and returns its reply. An error ends the test.
func (s *Server) Must(args ...string) string {
	s.t.Helper()
	reply, err := s.Do(args...)
	if err != nil {
		s.t.Fatalf("testredis: %q: %v", args, err)
	}
	return reply
}
