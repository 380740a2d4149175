package breaker

// State is what a [Breaker] is doing.
type State uint8

const (
	// Closed: calls go to the backend.
	Closed State = iota
	// Open: no call waits for the backend. Look-ups are misses, nothing is stored, evictions are queued.
	Open
	// HalfOpen: as Open, while the breaker's own goroutine is asking the backend whether it is back.
	HalfOpen
)

// String returns "closed", "open" or "half-open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	default:
		return "unknown"
	}
}

// Class is what the error of a call says about the health of a backend.
type Class uint8

const (
	// Unclassified leaves the judgement to the breaker.
	Unclassified Class = iota
	// Success: the backend did its work, whatever it answered.
	Success
	// Failure: the backend did not do its work; five in a row open the breaker.
	Failure
	// Ignored: nothing can be told about the backend.
	Ignored
)

// String returns the name of the class in lower case.
func (c Class) String() string {
	switch c {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Ignored:
		return "ignored"
	default:
		return "unclassified"
	}
}
