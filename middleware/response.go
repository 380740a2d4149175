package middleware

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/echocache/echocache/response"
)

// Response tells browsers and CDNs what they may keep of the answers inside, in place of what the handler says. It needs no
// cache. It panics on an invalid policy, with the reason.
//
// It replaces Cache-Control, and takes away Expires and Pragma, where the status is below 400: an error is not to be kept
// for a day. It adds to Vary. A conditional GET or HEAD is answered with 304 where ETag or Last-Modified allow it
// (RFC 9110, section 13.2.2). An answer that nobody writes inside, an error that is returned for one, is left alone.
//
// On a route with Output, outside or inside of it, no max-age exceeds what the entry has left, and a page of one user's own
// is private. Inside, the policy speaks for the handler: with NoStore, and with Private unless the page is PerUser, the
// page is not stored. Of two policies on one request the inner one decides.
func Response(p response.Policy) echo.MiddlewareFunc {
	return must(ResponseConfig{Policy: p}.ToMiddleware())
}

// ResponseConfig is [Response] in Echo's own manner.
type ResponseConfig struct {
	Skipper middleware.Skipper // nil skips none
	Policy  response.Policy
}

// ToMiddleware returns the middleware, or the mistake in its policy.
func (r ResponseConfig) ToMiddleware() (echo.MiddlewareFunc, error) {
	if err := r.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("middleware: ResponseConfig.Policy: %w", err)
	}
	return (&chain{skip: r.Skipper, at: newMessage(r.Policy)}).around, nil
}

// message is a policy with everything computed that does not depend on the request.
type message struct {
	policy   response.Policy
	varies   []string
	control  []string // of Cache-Control
	personal []string // of Cache-Control for one user's own page
	capped   atomic.Pointer[capped]
}

// capped is the Cache-Control that was last told of a page which lives shorter than the policy says.
type capped struct {
	seconds  int64
	personal bool
	control  []string
}

func newMessage(p response.Policy) *message {
	return &message{
		policy: p, varies: p.Varies(),
		control: []string{p.CacheControl()}, personal: []string{p.Personal().CacheControl()},
	}
}

// serve runs the chain below with a teller as the response's writer, and takes it away on every path. A handler that does
// not return leaves the answer as it is.
func (m *message) serve(c echo.Context, next echo.HandlerFunc) error {
	r := c.Response()
	t := newTeller(m, c)
	r.Writer = t
	returned := false
	var err error
	defer func() {
		r.Writer = t.next
		if !returned || err != nil {
			t.release()
		} else {
			t.finish()
		}
	}()
	err = next(c)
	returned = true
	return err
}

// tell sets the fields of an answer that is no page of a cache.
func (m *message) tell(h http.Header, personal bool) {
	h["Cache-Control"] = m.control
	if personal {
		h["Cache-Control"] = m.personal
	}
}

// tellPage sets the fields of a page that lives for left. Age is left as it is, and a cache downstream subtracts it as
// well, because it must be told (RFC 9111, section 5.1): a copy there lives shorter than the page, never longer.
func (m *message) tellPage(h http.Header, personal bool, left time.Duration) {
	seconds := int64(left / time.Second)
	last := m.capped.Load()
	if last == nil || last.seconds != seconds || last.personal != personal {
		p := m.policy.Within(left)
		if personal {
			p = p.Personal()
		}
		last = &capped{seconds, personal, []string{p.CacheControl()}}
		m.capped.Store(last)
	}
	h["Cache-Control"] = last.control
}
