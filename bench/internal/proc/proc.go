// Package proc runs the servers that are compared, each as a process of its own on the loopback interface, and says how
// much processor time they have used. Every process ends with the context it was started under, when it is stopped, and
// on Linux with this one.
package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/echocache/echocache/internal/child"
)

const (
	startWait = 20 * time.Second // for a server to answer
	stopWait  = 5 * time.Second  // for a server to end when asked to
	attempts  = 5                // a port that was free may be taken by the time the server wants it
)

// ErrNotHere says that a program is not on PATH.
var ErrNotHere = errors.New("proc: not on PATH")

// Process is one that was started here.
type Process struct {
	command *exec.Cmd
	ended   chan struct{}
	log     *child.Output
}

// start runs a program. Its output is kept for who wants to know why it ended.
func start(ctx context.Context, command *exec.Cmd) (*Process, error) {
	p := &Process{command: command, ended: make(chan struct{}), log: &child.Output{}}
	if command.Stdout == nil {
		command.Stdout = p.log
	}
	command.Stderr = p.log
	command.SysProcAttr = child.EndsWithParent()
	command.WaitDelay = stopWait
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("proc: %w", err)
	}
	go func() {
		_ = command.Wait() // that it was stopped is no news
		close(p.ended)
	}()
	return p, ctx.Err()
}

// ID returns the process's number.
func (p *Process) ID() int { return p.command.Process.Pid }

// Stop asks the process to end, and insists after a while.
func (p *Process) Stop() error {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopWait):
	}
	_ = p.command.Process.Kill()
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopWait):
		return fmt.Errorf("proc: process %d did not end", p.ID())
	}
}

// Ended returns an error that says why the process has ended by itself, or nil if it has not.
func (p *Process) Ended() error {
	select {
	case <-p.ended:
	default:
		return nil
	}
	for line := range strings.Lines(p.log.String()) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return fmt.Errorf("proc: it ended by itself: %s", strings.TrimSpace(line))
		}
	}
	return fmt.Errorf("proc: it ended by itself: %s", p.command.ProcessState)
}

// answers waits until somebody accepts connections at the address, or the process has ended.
func (p *Process) answers(ctx context.Context, addr string) error {
	var dialer net.Dialer
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case <-p.ended:
			return fmt.Errorf("proc: %s ended at once: %s", p.command.Path, p.log)
		default:
		}
		if conn, err := dialer.DialContext(ctx, "tcp", addr); err == nil {
			return conn.Close()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return fmt.Errorf("proc: %s does not answer: %s", p.command.Path, p.log)
}

// onFreePort starts a program that wants to be told its port.
func onFreePort(ctx context.Context, program string, args func(port int) []string) (p *Process, addr string, err error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", program, ErrNotHere)
	}
	for range attempts {
		var port int
		if port, err = freePort(ctx); err != nil {
			return nil, "", err
		}
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if p, err = start(ctx, exec.CommandContext(ctx, path, args(port)...)); err != nil {
			return nil, "", err
		}
		if err = p.answers(ctx, addr); err == nil {
			return p, addr, nil
		}
		err = errors.Join(err, p.Stop())
	}
	return nil, "", err
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("proc: %w", err)
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("proc: %s is no TCP address", l.Addr())
	}
	return addr.Port, nil
}

// removing ends a process and then removes its directory.
func removing(p *Process, dir string) func() error {
	return func() error { return errors.Join(p.Stop(), os.RemoveAll(dir)) }
}

func split(addr string) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(addr); err != nil {
		return "", "", fmt.Errorf("proc: %w", err)
	}
	return host, port, nil
}
