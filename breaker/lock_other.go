//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package breaker

import (
	"errors"
	"os"
)

// lockFile fails: a file that might be shared must not be trusted.
func lockFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }
