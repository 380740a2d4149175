package testredis

import "syscall"

// orphanEnds has the kernel end the server when the test binary is killed and no cleanup runs.
func orphanEnds() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
