package middleware_test

import (
	"syscall"
	"time"
	"unsafe"
)

// threadTime returns the processor's time that this thread has had. What other processes do in between is not in it. The
// caller has locked its goroutine to the thread.
func threadTime() time.Duration {
	const threadCPU = 3 // CLOCK_THREAD_CPUTIME_ID
	var at syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadCPU, uintptr(unsafe.Pointer(&at)), 0); errno != 0 {
		panic(errno)
	}
	return time.Duration(at.Nano())
}
