package soak_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between one instance and the server. While nothing is wrong it passes on what it reads.
type proxy struct {
	listener net.Listener
	target   atomic.Pointer[string]
	slow     atomic.Int64 // the longest delay of what is passed on, in nanoseconds
	refuses  atomic.Bool
	work     sync.WaitGroup

	mu     sync.Mutex
	hole   chan struct{} // not nil: nothing passes before it is closed
	conns  map[*net.TCPConn]struct{}
	closed bool
}

// newProxy returns a proxy in front of target that ends with the test.
func newProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{listener: listener, conns: map[*net.TCPConn]struct{}{}}
	p.aim(target)
	p.work.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// aim has new connections go to another server.
func (p *proxy) aim(target string) { p.target.Store(&target) }

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		near := conn.(*net.TCPConn)
		if p.refuses.Load() || !p.add(near) {
			_ = near.Close()
			continue
		}
		p.work.Go(func() { p.serve(near) })
	}
}

// add remembers a connection, to be broken. It reports false after close.
func (p *proxy) add(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[c] = struct{}{}
	}
	return !p.closed
}

func (p *proxy) drop(c *net.TCPConn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *proxy) serve(near *net.TCPConn) {
	defer p.drop(near)
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(context.Background(), "tcp", *p.target.Load())
	if err != nil {
		return
	}
	far := conn.(*net.TCPConn)
	defer p.drop(far)
	if !p.add(far) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(far, near) })
	both.Go(func() { p.pass(near, far) })
	both.Wait()
}

// pass passes on what comes from one side, and its end. Both wait while there is a black hole, as they would in a network
// that loses packets and has them sent again: the server may carry out long afterwards what nobody waits for any more.
func (p *proxy) pass(to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.hold()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.CloseRead()
				return
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// hold waits as long as what was read has to.
func (p *proxy) hold() {
	if most := p.slow.Load(); most > 0 {
		time.Sleep(time.Millisecond + time.Duration(rand.Int64N(most)))
	}
	p.mu.Lock()
	hole := p.hole
	p.mu.Unlock()
	if hole != nil {
		<-hole
	}
}

// swallow makes a black hole: connections are accepted, and nothing passes. The end of it lets everything out.
func (p *proxy) swallow() (end func()) {
	hole := make(chan struct{})
	p.mu.Lock()
	p.hole = hole
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		p.hole = nil
		p.mu.Unlock()
		close(hole)
	}
}

// cut closes every connection: in good order, or with a reset that loses what is on its way.
func (p *proxy) cut(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if reset {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
	}
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.cut(true)
	p.work.Wait()
}

// TestABlackHoleHoldsBackDataAndEnd wants what a client sent and closed to arrive only when the hole is gone.
func TestABlackHoleHoldsBackDataAndEnd(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	server, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p := newProxy(t, server.Addr().String())
	end := p.swallow()
	var dialer net.Dialer
	client, err := dialer.DialContext(t.Context(), "tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(client, "late"); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	far, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	_ = far.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := far.Read(make([]byte, 10)); n > 0 || err == io.EOF { //nolint:errorlint // Read's contract
		t.Fatalf("through the hole came %d bytes, %v", n, err)
	}
	end()
	_ = far.SetReadDeadline(time.Now().Add(5 * time.Second))
	if text, err := io.ReadAll(far); err != nil || string(text) != "late" {
		t.Errorf("afterwards came %q, %v", text, err)
	}
}
