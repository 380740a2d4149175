package middleware

import (
	"sync/atomic"
	"unsafe"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// chain is a middleware that remembers what it has made of the handlers behind it. Echo builds the chain anew for every
// request, and a closure made then is garbage soon after. But it begins with the same handler each time: the innermost
// middleware finds its closure here, so that it gives the next one the same handler each time, and so on outwards. What
// stands around a middleware that makes a closure for each request finds nothing.
//
// Nothing leaves the table: else many routes would take turns in it, and closures that nobody asks for again would come
// and go with every request.
type chain struct {
	links [256]atomic.Pointer[link]
	skip  middleware.Skipper // nil skips none
	at    server
}

// probes is how many places of the table a handler may stand in.
const probes = 4

// server is what a middleware is mounted to do.
type server interface {
	serve(c echo.Context, next echo.HandlerFunc) error
}

// link is a handler, and what was made of it.
type link struct{ next, made echo.HandlerFunc }

// around is the [echo.MiddlewareFunc].
func (k *chain) around(next echo.HandlerFunc) echo.HandlerFunc {
	id := identity(next)
	place := id>>4 ^ id>>12 // closures of one size lie in a row
	for i := range uintptr(probes) {
		slot := &k.links[(place+i)%uintptr(len(k.links))]
		known := slot.Load()
		if known == nil {
			made := k.make(next)
			slot.CompareAndSwap(nil, &link{next, made})
			return made
		}
		if identity(known.next) == id {
			return known.made
		}
	}
	return k.make(next)
}

func (k *chain) make(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if k.skip != nil && k.skip(c) {
			return next(c)
		}
		return k.at.serve(c, next)
	}
}

// identity returns the address of a function value, which is of its code and of what it has captured: two with one address
// are the same function. While one is held nothing else gets its address.
func identity(f echo.HandlerFunc) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }
