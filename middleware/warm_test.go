package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// An Echo is warmed through its own middleware and routes; a client behind a proxy that ends TLS finds what an https URL
// has filled.
func TestWarmThroughEcho(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{})
	e := newEcho()
	e.Use(quietRecover())
	e.GET("/products/:id", func(c echo.Context) error { return c.String(http.StatusOK, c.Scheme()+c.Param("id")) }, cache.Output(output.For(hour)))
	e.GET("/basket", func(c echo.Context) error { return c.String(http.StatusOK, "basket") })
	e.GET("/breaks", func(echo.Context) error { panic("oh") }, cache.Output(output.For(hour)))
	var requests []*http.Request
	for _, path := range []string{"/products/7", "/products/a%2Fb", "/basket", "/breaks", "/missing"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://shop.example"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	for _, want := range []string{
		"warmed 2 of 5: 2 stored, 0 hit; not stored: 2 no-cache-status, 1 panic",
		"warmed 2 of 5: 0 stored, 2 hit; not stored: 2 no-cache-status, 1 panic",
	} {
		report, err := output.Warm(t.Context(), e, requests, output.WarmConfig{})
		if err != nil || report.String() != want {
			t.Errorf("%s (%v)", report, err)
		}
		if r := report.Results[3]; r.Status != http.StatusInternalServerError || r.Err != nil {
			t.Errorf("the panic that Recover turned into an answer: %+v", r)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://shop.example/products/7", http.NoBody)
	r.RemoteAddr = "10.0.0.1:1" // a proxy that Echo trusts
	r.Header.Set("X-Forwarded-Proto", "https")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if said := w.Header().Get("Cache-Status"); !strings.Contains(said, "; hit;") || w.Body.String() != "https7" {
		t.Errorf("%s %q", said, w.Body)
	}
}
