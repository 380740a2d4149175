package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"
)

const startWait = 10 * time.Second

// redis is a server of this program's own. Its methods are called one at a time.
type redis struct {
	binary, folder, addr, version string

	process *process // nil when it does not run
}

func newRedis(ctx context.Context, folder string) (*redis, error) {
	s := &redis{folder: folder}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			s.binary = path
			break
		}
	}
	if s.binary == "" {
		return nil, errNoRedis
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	s.addr = addr
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	info, err := s.ask(ctx, "INFO server")
	if err != nil {
		s.kill()
		return nil, err
	}
	_, s.version, _ = strings.Cut(info, "redis_version:")
	s.version, _, _ = strings.Cut(s.version, "\r\n")
	return s, nil
}

var errNoRedis = errors.New("there is no redis-server and no valkey-server on PATH: install one, version 7 or later " +
	"(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)")

// freeAddr returns an address of the loopback interface on which nobody listens now.
func freeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// start runs the server, which remembers nothing of an earlier life, and waits until it answers.
func (s *redis) start(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	s.process, err = spawn(nil, nil, s.binary, "--port", port, "--bind", "127.0.0.1", "--dir", s.folder, "--save", "",
		"--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction", "--loglevel", "warning")
	if err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < startWait; {
		if reply, err := s.ask(ctx, "PING"); err == nil && strings.HasPrefix(reply, "+PONG") {
			return nil
		}
		select {
		case <-s.process.ended:
			return fmt.Errorf("%s ended at once: is %s taken?", s.binary, s.addr)
		case <-ctx.Done():
			s.kill()
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	s.kill()
	return fmt.Errorf("%s did not answer within %s", s.binary, startWait)
}

// ask sends one command and returns the beginning of what comes back.
func (s *redis) ask(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // if it cannot be set, the read ends with the server
	}
	if _, err = conn.Write([]byte(command + "\r\n")); err != nil {
		return "", err
	}
	buffer := make([]byte, 4096)
	n, err := bufio.NewReader(conn).Read(buffer)
	return string(buffer[:n]), err
}

// kill ends the server as a crash does, paused or not.
func (s *redis) kill() {
	if s.process != nil {
		s.process.kill()
		s.process = nil
	}
}

func (s *redis) pause() error  { return suspend(s.process.Process) }
func (s *redis) resume() error { return proceed(s.process.Process) }
