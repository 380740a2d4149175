package output_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/echocache/echocache/output"
)

// A page is made once, shown until it is evicted, and every answer says which it was.
func ExampleCache_Handler() {
	cache, err := output.New(output.Config{Name: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	mux := http.NewServeMux()
	page := output.For(time.Minute).Jitter(0).Tag("product:{id}")
	mux.Handle("GET /products/{id}", cache.Handler(page, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "product %s", r.PathValue("id"))
	})))
	get := func() {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/products/7", http.NoBody))
		fmt.Println(w.Body, "|", w.Header().Get("Cache-Status")[:9])
	}
	get()
	get()
	fmt.Println(cache.Evict(context.Background(), "product:7"))
	get()
	// Output:
	// product 7 | shop; fwd
	// product 7 | shop; hit
	// <nil>
	// product 7 | shop; fwd
}

// A policy is a value: others are derived from it, and it prints as what makes it.
func ExamplePolicy() {
	page := output.For(5 * time.Minute).Public().Tag("catalog")
	fmt.Println(page.VaryQuery("page", "sort"))
	fmt.Println(page.PerUser().Validate())
	// Output:
	// For(5m0s).Public().Tag("catalog").VaryQuery("page", "sort")
	// output: policy: PerUser and Public exclude each other: a page is each user's own or the same for all
}

// A handler says what only it knows: a tag, a shorter life, or that this one is not to be kept.
func ExampleCurrent() {
	cache, err := output.New(output.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	h := cache.Handler(output.For(time.Hour).Jitter(0), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		output.Current(r.Context()).Tag("brand:acme")
		output.Current(r.Context()).TTL(10 * time.Second)
		fmt.Fprint(w, "a product")
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	fmt.Println(w.Header().Get("Cache-Status"))
	// Output: echocache; fwd=uri-miss; stored; ttl=10
}
