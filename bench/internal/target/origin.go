// Package target has everything that is compared over one page: our cache, those of other modules, and the frameworks
// without a cache. Each is opened as an http.Handler that answers the same request with the same bytes, and counts how
// often its origin ran, so that who measures it can tell a hit from anything else.
//
// What each does and does not put into its key stands in the table of the report; a cache that looks at the path alone
// does less than one that looks at host, route, query, headers, user and tags.
package target

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/echocache/echocache/bench/internal/page"
)

// origin is what makes the page. It counts and, if asked to, takes its time.
type origin struct {
	runs  atomic.Int64
	body  []byte
	delay time.Duration
}

func newOrigin(c Config) *origin { return &origin{body: page.Body(c.Size), delay: c.Delay} }

// make returns the page.
func (o *origin) make() []byte {
	o.runs.Add(1)
	if o.delay > 0 {
		time.Sleep(o.delay)
	}
	return o.body
}

func (o *origin) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body := o.make()
	w.Header().Set("Content-Type", page.ContentType)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // a client that has gone is no news
}
