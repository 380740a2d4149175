//go:build !linux

package middleware_test

import "time"

var began = time.Now()

// threadTime is the time that goes by, which is more than a thread has had.
func threadTime() time.Duration { return time.Since(began) }
