// Package child holds what every start of a server needs: to know what it said, and that it does not outlive who started it.
package child

import (
	"bytes"
	"sync"
)

// Output is what a process says, for who wants to know why it ended. The zero value is ready, and its methods may be called
// concurrently.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what the process says.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns what it has said so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
