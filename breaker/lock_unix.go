//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package breaker

import (
	"errors"
	"os"
	"syscall"
)

// lockFile makes path, if it is not there, and locks it until it is closed or the process ends, however it ends. It
// stays: to remove it would let two others lock two files of this name.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
