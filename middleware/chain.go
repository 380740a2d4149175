package middleware

import (
	"math/rand/v2"
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
// Only a handler that came twice is remembered, for good: Echo itself makes one for a single request, under a Pre middleware and
// for OPTIONS, and whatever such a one has captured, the request among it, must not live longer.
type chain struct {
	links [128]atomic.Pointer[link]
	once  [4]unsafe.Pointer  // handlers that came once, of which few are held until another one takes the place
	skip  middleware.Skipper // nil skips none
	at    server
}

// probes is how many places of the table a handler may stand in.
const probes = 8

// server is what a middleware is mounted to do.
type server interface {
	serve(c echo.Context, next echo.HandlerFunc) error
}

// link is a handler, and what was made of it.
type link struct{ next, made echo.HandlerFunc }

// around is the [echo.MiddlewareFunc].
func (k *chain) around(next echo.HandlerFunc) echo.HandlerFunc {
	id := identity(next)
	place := uint64(uintptr(id)) * 0x9e3779b97f4a7c15 >> 32 // closures of one size lie in a row: this scatters them
	for i := range uint64(probes) {
		slot := &k.links[(place+i)%uint64(len(k.links))]
		known := slot.Load()
		if known == nil {
			made := k.make(next)
			if k.again(id, place) {
				slot.CompareAndSwap(nil, &link{next, made})
			}
			return made
		}
		if identity(known.next) == id {
			return known.made
		}
	}
	return k.make(next)
}

// again reports whether a handler has come before. While it is held nobody else has its address. Two that take turns
// would drive each other out if each time the later one stayed.
func (k *chain) again(id unsafe.Pointer, place uint64) bool {
	once := &k.once[place%uint64(len(k.once))]
	before := atomic.LoadPointer(once)
	if before == nil || before != id && rand.Uint32()&1 == 0 {
		atomic.StorePointer(once, id)
	}
	return before == id
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
// are the same function.
func identity(f echo.HandlerFunc) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&f)) }
