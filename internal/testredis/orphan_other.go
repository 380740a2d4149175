//go:build !linux

package testredis

import "syscall"

// orphanEnds does nothing here: only Linux ends a child with its parent.
func orphanEnds() *syscall.SysProcAttr { return nil }
