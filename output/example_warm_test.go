package output_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/echocache/echocache/output"
)

// Before an instance takes traffic, it asks itself for its most important pages.
func ExampleWarm() {
	cache, err := output.New(output.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	mux := http.NewServeMux()
	mux.Handle("GET /products/{id}", cache.Handler(output.For(time.Minute), page))
	mux.Handle("GET /basket", page)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var requests []*http.Request
	for _, path := range []string{"/products/7", "/products/8", "/basket"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://shop.example"+path, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		requests = append(requests, r)
	}
	report, err := output.Warm(ctx, mux, requests, output.WarmConfig{})
	fmt.Println(report, err)
	// Output: warmed 2 of 3: 2 stored, 0 hit; not stored: 1 no-cache-status <nil>
}
