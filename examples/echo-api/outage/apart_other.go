//go:build !linux

package main

import "syscall"

// apart changes nothing here: only Linux ends a child with its parent.
func apart() *syscall.SysProcAttr { return nil }
