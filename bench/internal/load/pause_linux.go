package load

import (
	"syscall"
	"time"
)

// pause sleeps in the kernel, whose timers are good to some 50 µs.
func pause(d time.Duration) {
	if d <= 0 {
		return
	}
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // a signal ends it early; the next request is early by as much
}
