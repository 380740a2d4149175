// Package output decides what of an application's answers may be used again, by whom, and until when, and replays it.
//
// A [Policy] says how a route is cached. A [Cache] keeps the pages. A door (package middleware for Echo, or
// [Cache.Handler] for plain net/http) hands every request to a [Mount], which answers it from the cache, lets it
// pass, or runs the handler once for everybody who waits:
//
//	cache, err := output.New(output.Config{})
//	if err != nil {
//		return err
//	}
//	defer cache.Close()
//	page := output.For(time.Minute).Tag("catalog")
//	mux.Handle("GET /products", cache.Handler(page, products))
//	// and where the products change:
//	err = cache.Evict(ctx, "catalog")
//
// The package knows net/http only, no web framework. It does not decide what browsers and CDNs may keep, but for a
// careful default.
package output
