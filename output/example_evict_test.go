package output_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/echocache/echocache/output"
)

// shop is a site with two cached routes, and what says whether a page of it is kept.
func shop() (*output.Cache, func(target string) string) {
	cache, err := output.New(output.Config{})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	mux.Handle("GET /products/{id}", cache.Handler(output.For(time.Minute).Tag("product:{id}"), page))
	mux.Handle("GET /brands/{name}", cache.Handler(output.For(time.Minute).Tag("brand:{name}"), page))
	return cache, func(target string) string {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, http.NoBody))
		if strings.Contains(w.Header().Get("Cache-Status"), "; hit;") {
			return "hit"
		}
		return "miss"
	}
}

// Pages are evicted by what they show, by their path, by their route, or all at once.
func ExampleCache_Evict() {
	cache, get := shop()
	defer cache.Close()
	ctx := context.Background()
	evict := func(what string, err error) {
		fmt.Printf("%-7s %v %s %s %s\n", what, err, get("/products/7"), get("/products/8"), get("/brands/Acme%20Co"))
	}
	evict("nothing", nil)
	evict("tag", cache.Evict(ctx, "product:7", "brand:Acme Co"))
	evict("path", cache.EvictPath(ctx, "/brands/Acme%20Co"))
	evict("route", cache.EvictRoute(ctx, "GET /products/{id}"))
	evict("all", cache.EvictAll(ctx))
	// Output:
	// nothing <nil> miss miss miss
	// tag     <nil> miss hit miss
	// path    <nil> hit hit miss
	// route   <nil> miss miss hit
	// all     <nil> miss miss miss
}

// Stats say how often a page was there, and why what was not cached was not.
func ExampleCache_Stats() {
	cache, get := shop()
	defer cache.Close()
	get("/products/7")
	get("/products/7")
	cache.SetEnabled(false) // what was evicted meanwhile stays evicted
	get("/products/7")
	s := cache.Stats()
	fmt.Println(s.Hits, s.Misses, s.Bypassed, s.Reasons)
	// Output: 1 1 1 map[off:1]
}

// A page that is not there is worth keeping, too, for less long.
func ExamplePolicy_StatusFor() {
	cache, err := output.New(output.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	h := cache.Handler(output.For(time.Hour).Jitter(0).StatusFor(5*time.Second, http.StatusNotFound), http.NotFoundHandler())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	fmt.Println(w.Code, w.Header().Get("Cache-Status"))
	// Output: 404 echocache; fwd=uri-miss; stored; ttl=5
}
