package output

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Handler returns h with its answers cached by p, for plain net/http. It panics on an invalid policy, with the reason:
// a mistake at registration must not wait for a request.
//
// The route is the pattern that [http.ServeMux] matched ("GET /products/{id}"), and the names in tags are its
// wildcards. Without a ServeMux the route is "/". Authentication must be mounted outside: a hit does not run h.
func (c *Cache) Handler(p Policy, h http.Handler) http.Handler {
	m, err := c.Mount(p, Door{
		Identified:    c.config.User != nil,
		Values:        slices.Sorted(maps.Keys(c.config.Values)),
		IgnoreCookies: c.config.IgnoreCookies,
	})
	if err != nil {
		panic(err)
	}
	var cached http.Handler
	cached = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchanges.Get().(*plainExchange) //nolint:errcheck // the pool holds nothing else
		x.config, x.w, x.r, x.next, x.cached = &c.config, w, r, h, cached
		err := m.Serve(w, r, x)
		*x = plainExchange{scratch: x.scratch}
		exchanges.Put(x) // not after a panic: somebody may still hold it
		if errors.Is(err, ErrOverload) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		}
	})
	return cached
}

// plainExchange is the [Exchange] of plain net/http. A request uses one at a time, and gives it back for the next.
type plainExchange struct {
	config  *Config
	w       http.ResponseWriter
	r       *http.Request
	next    http.Handler
	cached  http.Handler // what serves the request
	scratch Scratch
}

var exchanges = sync.Pool{New: func() any { return new(plainExchange) }}

func (x *plainExchange) Route() string {
	if x.r.Pattern == "" {
		return "/"
	}
	return x.r.Pattern
}

func (x *plainExchange) Scheme(bool) string {
	if x.r.TLS != nil {
		return "https"
	}
	return "http"
}

func (x *plainExchange) User() string { return x.config.User(x.r) }

func (x *plainExchange) Param(name string) (string, bool) {
	value := x.r.PathValue(name)
	known := value != "" || strings.Contains(x.r.Pattern, "{"+name+"}") || strings.Contains(x.r.Pattern, "{"+name+"...}")
	return url.PathEscape(value), known
}

func (x *plainExchange) Value(name string) (string, bool) {
	f, known := x.config.Values[name]
	if !known {
		return "", false
	}
	return f(x.r), true
}

func (x *plainExchange) Scratch() *Scratch { return &x.scratch }

func (x *plainExchange) Next(r *http.Request) error {
	x.next.ServeHTTP(x.w, r)
	return nil
}

func (x *plainExchange) Fill(f *Fill) error {
	x.next.ServeHTTP(f.Writer, f.Request)
	return nil
}

// Again returns the cached handler itself: what is around it is not known, but what it has put into the request's context
// is, and so the user is the same.
func (x *plainExchange) Again() (http.Handler, *http.Request) {
	return x.cached, x.r.Clone(context.WithoutCancel(x.r.Context()))
}

// ErrorStatus is for errors of which an http.Handler has none.
func (x *plainExchange) ErrorStatus(error) int { return http.StatusInternalServerError }

func (x *plainExchange) Unhide() {}

// Reveal makes r the request that User and Value read.
func (x *plainExchange) Reveal(r *http.Request) { x.r = r }
