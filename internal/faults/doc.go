// Package faults holds tests about what users of a cached handler notice when its Redis is in trouble: down, slow, mute,
// a replica, loading, full. It has no code of its own:
//
//	go test -v -run=Faults ./internal/faults                      # all faults at once, for a moment each
//	go test -v -run=Faults ./internal/faults -fault-seconds=10    # one after the other, with strict bounds
//	go test -v -run=Stampede ./internal/faults -fault-seconds=1   # 2,000 at once ask for a page that cannot be kept, the same
//
// Each row of the table that it prints is a handler of 5 ms behind output, breaker and redisstore, asked for a few dozen
// pages at a steady rate, before, during and after the fault.
//
// The package does not test which answers may be stale; that is done beside the stores.
package faults
