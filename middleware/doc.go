// Package middleware is the door of echocache to Echo v4: it mounts the cache on routes.
//
//	cache := echocache.Must(echocache.New(echocache.Config{}))
//	defer cache.Close()
//	e.Use(cache.Attach())
//	e.GET("/products/:id", getProduct, cache.Output(output.For(time.Minute).Tag("product:{id}")))
//	e.PUT("/products/:id", updateProduct, cache.Evict("product:{id}"))
//
// Import it under the name echocache: nearly every Echo application has Echo's own middleware package in scope.
//
// Authentication is mounted outside of Output, because a hit does not run what is inside; Evict is mounted outside of
// whatever opens a transaction. What is cached, and for whom, is decided in package output: this package does not
// decide anything.
package middleware
