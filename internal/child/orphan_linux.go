package child

import "syscall"

// EndsWithParent has the kernel end a process when the one that started it is killed and nothing is cleaned up.
func EndsWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
