package striped_test

import (
	"sync"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/striped"
)

func TestEveryAddCounts(t *testing.T) {
	t.Parallel()
	var c striped.Counter
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 1000 {
				c.Add(time.Duration(i*j - 500)) // negative ones too
			}
		})
	}
	all.Wait()
	if n := c.Load(); n != 8000 {
		t.Errorf("%d", n)
	}
}
