package faults_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between a client and the server, and does to what passes what a network may.
type proxy struct {
	tb     testing.TB
	target string
	addr   string
	delay  atomic.Int64 // of everything, each way
	hole   atomic.Bool  // nothing passes, not even the end of a connection
	work   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil: connections are refused
	conns    map[net.Conn]struct{}
}

func newProxy(tb testing.TB, target string) *proxy {
	tb.Helper()
	p := &proxy{tb: tb, target: target, addr: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	p.up()
	tb.Cleanup(func() { p.down(); p.work.Wait() })
	return p
}

// up lets connections be made, on the same port as before.
func (p *proxy) up() {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", p.addr)
	if err != nil {
		p.tb.Errorf("proxy: %v", err)
		return
	}
	p.mu.Lock()
	p.listener, p.addr = listener, listener.Addr().String()
	p.mu.Unlock()
	p.work.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(near) })
		}
	})
}

// down refuses connections, and cuts those that are.
func (p *proxy) down() {
	p.mu.Lock()
	listener := p.listener
	p.listener = nil
	p.mu.Unlock()
	if listener != nil {
		_ = listener.Close()
	}
	p.cut()
}

// cut resets every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
		delete(p.conns, c)
	}
}

// heal ends the hole. What was swallowed is lost, so its connections are too.
func (p *proxy) heal() {
	p.hole.Store(false)
	p.cut()
}

func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		_ = c.Close()
		return
	}
	p.conns[c] = struct{}{}
}

func (p *proxy) serve(near net.Conn) {
	defer near.Close()
	p.keep(near)
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	p.keep(far)
	var both sync.WaitGroup
	both.Go(func() { p.pass(far, near) })
	both.Go(func() { p.pass(near, far) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, near)
	delete(p.conns, far)
}

type chunk struct {
	bytes []byte // nil: the end
	due   time.Time
}

// pass passes on what comes from one side. A delay adds to how long bytes take, not to how many fit through.
func (p *proxy) pass(to, from net.Conn) {
	queue := make(chan chunk, 1024)
	p.work.Go(func() {
		for c := range queue {
			time.Sleep(time.Until(c.due))
			if p.hole.Load() {
				continue // the end as well: nobody on the other side may notice
			}
			if c.bytes == nil {
				_ = to.Close()
				continue
			}
			_, _ = to.Write(c.bytes) // whoever closed it has ended the other direction
		}
	})
	defer close(queue)
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		due := time.Now().Add(time.Duration(p.delay.Load()))
		if n > 0 {
			queue <- chunk{buffer[:n], due}
		}
		if err != nil {
			queue <- chunk{nil, due}
			return
		}
	}
}
