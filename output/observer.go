package output

import "time"

// Event is what an [Observer] hears. Which fields are set depends on the method. It holds no key, no body and no
// user's id.
type Event struct {
	Cache   string        // the cache's name
	Route   string        // the route's pattern
	Method  string        // the request's
	Status  int           // of the answer: Hit, Collapsed, Filled
	Tier    string        // where a hit came from: "memory"
	Reason  string        // why a request bypassed, or why an answer was not stored
	Verdict string        // Filled: what the store said of an admitted answer: "stored", "fenced", "refused", "unknown"
	TTL     time.Duration // for which the entry is fresh still; negative if it is stale
	Bytes   int           // of the body
	Took    time.Duration // Filled: from before the handler to after the store
	Stale   bool          // Hit: the page was stale; Filled: a stale page stood in for a failure
	Refresh bool          // Filled: in the background, for a page that was stale
	Tags    []string      // Evicted; must not be changed
	Err     error         // Filled: the store's or the handler's error; Evicted: nil = confirmed
}

// Observer hears of what a cache does, one method an event. The methods are called in the goroutine of the request,
// possibly many at once, and must return at once. Embed [NopObserver] to implement some of them.
type Observer interface {
	Hit(Event)       // answered from the store
	Collapsed(Event) // answered from another request's fill
	Filled(Event)    // the handler ran under a policy; Reason "" means that the answer was admitted
	Bypassed(Event)  // the request passed by
	Evicted(Event)   // Evict or one of its kin was called
	Damaged(Event)   // an entry could not be read and was dropped
}

// NopObserver implements [Observer] and does nothing.
type NopObserver struct{}

// Hit ignores the event.
func (NopObserver) Hit(Event) {}

// Collapsed ignores the event.
func (NopObserver) Collapsed(Event) {}

// Filled ignores the event.
func (NopObserver) Filled(Event) {}

// Bypassed ignores the event.
func (NopObserver) Bypassed(Event) {}

// Evicted ignores the event.
func (NopObserver) Evicted(Event) {}

// Damaged ignores the event.
func (NopObserver) Damaged(Event) {}
