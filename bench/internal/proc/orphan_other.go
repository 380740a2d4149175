//go:build !linux

package proc

import "syscall"

// orphanEnds: other kernels cannot end the children of a process that is killed.
func orphanEnds() *syscall.SysProcAttr { return nil }
