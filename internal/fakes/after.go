package fakes

import "time"

// After is time.After, but that its channel is ready at once if there is nothing to wait for. In a bubble of testing/synctest
// and under the race detector, Go 1.26 dies of a select on a timer that is due before any timer of the bubble has fired
// (runtime.(*timer).unlockAndRun takes the race context of a bubble's timers that has not been made yet).
func After(d time.Duration) <-chan time.Time {
	if d > 0 {
		return time.After(d)
	}
	due := make(chan time.Time, 1)
	due <- time.Now()
	return due
}
