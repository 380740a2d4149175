package main

import "syscall"

// apart keeps the terminal's signals away, and has the kernel end the process if this program is killed itself.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
