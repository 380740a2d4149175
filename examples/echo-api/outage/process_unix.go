//go:build unix

package main

import (
	"os"
	"syscall"
)

func suspend(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func proceed(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
func ask(p *os.Process) error     { return p.Signal(syscall.SIGTERM) }
