package proc

import "syscall"

// orphanEnds has the kernel end the server when this process is killed and nobody stops it.
func orphanEnds() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
