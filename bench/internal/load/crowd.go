package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/echocache/echocache/bench/internal/page"
)

// Crowd is a number of open connections, spread evenly over servers, that ask for one page at one moment.
type Crowd struct {
	conns []*conn
	want  []byte
}

// OpenCrowd opens the connections, and asks each once for a page that does not matter, so that the servers know them.
func OpenCrowd(ctx context.Context, addrs []string, connections, size, number int) (*Crowd, error) {
	c := &Crowd{want: page.Body(size)}
	for i := range connections {
		one, err := dial(ctx, addrs[i%len(addrs)], size)
		if err == nil {
			c.conns = append(c.conns, one)
			err = one.ask(message(number), c.want)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Close closes the connections.
func (c *Crowd) Close() {
	for _, one := range c.conns {
		_ = one.Close()
	}
}

// Ask has all of them ask at once. It returns how long it took until the last one was answered, and how many answers
// were wrong, with one of the errors.
func (c *Crowd) Ask(number int) (wall time.Duration, wrong int, err error) {
	request := message(number)
	var (
		workers sync.WaitGroup
		mu      sync.Mutex
		begin   = make(chan struct{})
	)
	for _, one := range c.conns {
		workers.Go(func() {
			<-begin
			if e := one.ask(request, c.want); e != nil {
				mu.Lock()
				wrong, err = wrong+1, e
				mu.Unlock()
			}
		})
	}
	began := time.Now()
	close(begin)
	workers.Wait()
	if wrong > 0 {
		err = errors.Join(fmt.Errorf("%w: %d of %d", ErrWrong, wrong, len(c.conns)), err)
	}
	return time.Since(began), wrong, err
}
