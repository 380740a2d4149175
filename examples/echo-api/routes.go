package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// staleIfError is how long a page of products stands in for a handler that fails. What was evicted never does.
const staleIfError = time.Hour

// policies say what may be shown again, to whom, for how long, and what it is evicted by.
type policies struct{ list, product, brand, orders output.Policy }

// newPolicies returns them, with pages of products that are fresh for ttl.
func newPolicies(ttl time.Duration) policies {
	products := output.For(ttl).Public().StaleIfError(staleIfError)
	return policies{
		// Three query parameters choose the page. Any other one, a campaign's for example, neither reaches the handler
		// nor makes another page.
		list: products.Tag("catalog").VaryHeader(acceptLanguage).VaryQuery("category", "page", "sort"),

		// Not tagged catalog: a change of product 7 leaves the page of product 8 where it is. The handler adds the brand.
		product: products.Tag("product:{id}").VaryQuery().StatusFor(10*time.Second, http.StatusNotFound),

		// The handler adds the brand and its products.
		brand: products.VaryQuery().StatusFor(10*time.Second, http.StatusNotFound),

		orders: output.For(time.Minute).PerUser().Tag("orders:{user}").VaryQuery(),
	}
}

// maxFills is how many handlers fill pages at once: the database survives while Redis is away.
const maxFills = 64

// newCache makes the cache over b, which it owns from then on.
func newCache(b *backend, version string, logger *slog.Logger) (*echocache.Cache, error) {
	entries := store.New(b, store.Config{Namespace: namespace, Logger: logger})
	outputs, err := output.New(output.Config{
		Name: "shop", Store: entries, Version: version, MaxFills: maxFills, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	return echocache.New(echocache.Config{Cache: outputs, User: userOf})
}

// pages are read with these; Echo does not answer HEAD with a route for GET by itself.
var reads = []string{http.MethodGet, http.MethodHead}

// mount registers the routes. A route's middleware stands in the order in which a request meets it.
func (s *shop) mount(e *echo.Echo, cache *echocache.Cache) {
	// Outside the cache, since a hit runs nothing that is inside; and Attach inside of all that is for every route.
	e.Use(identify, cache.Attach())
	p := newPolicies(s.pageTTL)

	e.Match(reads, "/products", s.listProducts, negotiate, cache.Output(p.list))
	e.Match(reads, "/products/:id", s.getProduct, cache.Output(p.product))
	e.Match(reads, "/brands/:brand", s.getBrand, cache.Output(p.brand))

	e.POST("/products", s.createProduct, cache.Evict("catalog"))
	e.PUT("/products/:id", s.updateProduct, cache.Evict("catalog", "product:{id}"))
	e.DELETE("/products/:id", s.deleteProduct, cache.Evict("catalog", "product:{id}"))

	me := e.Group("/me", requireUser)
	me.Match(reads, "/orders", s.listOrders, cache.Output(p.orders))
	me.POST("/orders", s.createOrder, cache.Evict("orders:{user}"))

	e.Match(reads, "/healthz", s.health)
	e.Match(reads, "/debug/cache", s.cacheStats)
}
