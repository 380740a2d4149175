package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/echocache/echocache/output/outputtest"
)

// What is mounted where: tags that nobody evicts, an Evict inside a transaction and the like are found here.
func TestMounted(t *testing.T) {
	t.Parallel()
	request := func(method, target string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
		r.Header.Set("Authorization", "Bearer alice-token")
		return r
	}
	outputtest.Check(t, testShop(t).echo,
		request(http.MethodGet, "/products/7"), request(http.MethodPost, "/products"),
		request(http.MethodPut, "/products/7"), request(http.MethodDelete, "/products/7"),
		request(http.MethodGet, "/me/orders"), request(http.MethodPost, "/me/orders"),
	)
}
