package middleware

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/output"
)

// exchange is the [output.Exchange] of Echo. A request uses one at a time, and gives it back for the next.
type exchange struct {
	cache   *Cache
	context echo.Context
	next    echo.HandlerFunc
	hidden  hidden
	// personal is set if the policy keeps a page for each user.
	personal bool
	scratch  output.Scratch
	// forwarded is what Scheme was told.
	forwarded bool
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// reset forgets the request; what a fill has hidden is shown already.
func (x *exchange) reset() { x.cache, x.context, x.next, x.forwarded = nil, nil, nil, false }

func (x *exchange) Route() string { return x.context.Path() }

// Scheme returns what c.Scheme() would. Echo asks first whether the peer's address is to be trusted, which costs as much
// as half a hit; without a header by which a proxy could name a scheme, the answer does not depend on it.
func (x *exchange) Scheme(forwarded bool) string {
	x.forwarded = forwarded
	c := x.context
	if forwarded || reflect.TypeOf(c) != x.cache.plain || c.Echo().SchemeExtractor != nil {
		return c.Scheme()
	}
	if c.Request().TLS != nil {
		return "https"
	}
	return "http"
}

func (x *exchange) User() string { return x.cache.user(x.context) }

func (x *exchange) Value(name string) (string, bool) { return x.cache.value(x.context, name) }

func (x *exchange) Param(name string) (string, bool) { return param(x.context, name) }

// param returns a parameter of the route, escaped. Echo takes parameters from the path as it was escaped only where
// that differs from Go's own way to escape it; else they are plain.
func param(c echo.Context, name string) (string, bool) {
	if !slices.Contains(c.ParamNames(), name) {
		return "", false
	}
	text := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return url.PathEscape(text), true
	}
	return text, true
}

func (x *exchange) Scratch() *output.Scratch { return &x.scratch }

func (x *exchange) Next(r *http.Request) error {
	if x.context.Request() != r {
		x.context.SetRequest(r)
	}
	return x.run()
}

// run runs what is inside, with word of the cache, and of whether the policy keeps a page for each user.
func (x *exchange) run() error {
	c := x.context
	if was := personal(c); was != x.personal {
		c.Set(personalKey, x.personal)
		defer c.Set(personalKey, was)
	}
	return x.cache.within(c, func() error { return x.next(c) })
}

// Fill runs the handler on the same context, with everything replaced that is not in the key, and puts it back on
// every path. The outer response stays what it was: its hooks run once, when the answer is really written.
func (x *exchange) Fill(f *output.Fill) error {
	c := x.context
	request, response := c.Request(), c.Response()
	scheme := x.Scheme(x.forwarded)
	defer func() {
		if response.Committed {
			f.WrittenAround()
		}
		x.Unhide()
		c.SetRequest(request)
		c.SetResponse(response)
	}()
	x.hidden.hide(c, f.Request.URL.RawQuery, x.cache.config.PerClient)
	c.SetResponse(echo.NewResponse(f.Writer, c.Echo()))
	c.SetRequest(f.Request)
	if c.Scheme() != scheme {
		c.SetRequest(f.Decline())
	}
	return x.render(f, x.run())
}

// render lets Echo's error handler write an error whose status the policy keeps. Any other is returned, as it would be
// without a cache.
func (x *exchange) render(f *output.Fill, err error) error {
	known, ok := errors.AsType[*echo.HTTPError](err)
	if !ok || x.context.Response().Committed || !f.KeepsStatus(known.Code) {
		return err
	}
	x.context.Echo().HTTPErrorHandler(err, x.context)
	if !x.context.Response().Committed {
		return err // a handler that leaves this error to somebody else
	}
	return nil
}

// Again returns the whole application, so that all of its middleware judges the request anew, and the request as the server
// has delivered it: a rewritten URL is rewritten again. Of its context only what the server itself put there is kept; what
// middleware has put there since (a session, for one) is its own request's.
func (x *exchange) Again() (http.Handler, *http.Request) {
	c := x.context
	old := c.Request()
	r := old.Clone(served{context.Background(), old.Context()})
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		r.URL = u
	}
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	return c.Echo(), r
}

// served is a context with what of another's values the server has put there.
type served struct {
	context.Context

	request context.Context //nolint:containedctx // only those values count
}

func (s served) Value(key any) any {
	if key == http.ServerContextKey || key == http.LocalAddrContextKey {
		return s.request.Value(key)
	}
	return nil
}

// ErrorStatus returns the code of an [echo.HTTPError]. What any other error is answered with only Echo's error handler
// knows, so it is asked, and its answer thrown away.
func (x *exchange) ErrorStatus(err error) int {
	if known, ok := errors.AsType[*echo.HTTPError](err); ok {
		return known.Code
	}
	c := x.context
	response := c.Response()
	defer c.SetResponse(response)
	asked := echo.NewResponse(unheard{http.Header{}}, c.Echo())
	c.SetResponse(asked)
	c.Echo().HTTPErrorHandler(err, c)
	if !asked.Committed {
		return http.StatusInternalServerError
	}
	return asked.Status
}

// unheard is where an answer goes that nobody is to get.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u unheard) WriteHeader(int)             {}

// Unhide shows again what Fill has hidden.
func (x *exchange) Unhide() { x.hidden.show(x.context) }

// Reveal makes r the context's request: User, Values and the handler read it there. The outer fill that hid it puts the
// original back.
func (x *exchange) Reveal(r *http.Request) { x.context.SetRequest(r) }

// hidden is what Fill has hidden in an echo.Context and puts back.
type hidden struct {
	query  url.Values // the context's own map, edited in place: nothing resets a map that was parsed already
	params url.Values // what was in it
	values []value
}

type value struct {
	key string
	is  any
}

func (h *hidden) hide(c echo.Context, query string, perClient []string) {
	h.query = c.QueryParams()
	h.params = maps.Clone(h.query)
	clear(h.query)
	shown, _ := url.ParseQuery(query) // what is wrong in it is left out, as Echo does
	maps.Copy(h.query, shown)
	for _, key := range perClient {
		if is := c.Get(key); is != nil {
			h.values = append(h.values, value{key, is})
			c.Set(key, nil)
		}
	}
}

func (h *hidden) show(c echo.Context) {
	if h.query == nil {
		return
	}
	clear(h.query)
	maps.Copy(h.query, h.params)
	for _, v := range h.values {
		c.Set(v.key, v.is)
	}
	*h = hidden{}
}
