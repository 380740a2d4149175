//go:build !linux

package child

import "syscall"

// EndsWithParent does nothing here: only Linux ends a child with its parent.
func EndsWithParent() *syscall.SysProcAttr { return nil }
