package main

import (
	"io"
	"os/exec"
	"time"
)

// process is one that this program started, and ends.
type process struct {
	*exec.Cmd

	ended chan struct{} // closed when it has
	err   error         // how; only after ended
}

// spawn starts a program. It is told nothing by the terminal: Ctrl-C ends this program, and that ends the others. read
// is given what it says, until it ends; nil: nobody listens.
func spawn(environ []string, read func(io.Reader), binary string, args ...string) (*process, error) {
	// Not CommandContext: an interrupted run ends its processes in order, the paused one by force.
	p := &process{Cmd: exec.Command(binary, args...), ended: make(chan struct{})} //nolint:noctx // see above
	p.Env = environ
	p.SysProcAttr = apart()
	var pipe io.ReadCloser
	if read != nil {
		var err error
		if pipe, err = p.StderrPipe(); err != nil {
			return nil, err
		}
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		if read != nil {
			read(pipe)
		}
		p.err = p.Wait()
	}()
	return p, nil
}

// kill ends it at once.
func (p *process) kill() {
	_ = p.Process.Kill() // it may have ended by itself
	<-p.ended
}

// stop asks it to end, insists after a while, and returns how it ended.
func (p *process) stop(patience time.Duration) error {
	if err := ask(p.Process); err != nil {
		p.kill()
		return p.err
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
	}
	return p.err
}
