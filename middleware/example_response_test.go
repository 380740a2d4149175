package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

// logo answers with a picture.
func logo(c echo.Context) error {
	return c.Blob(http.StatusOK, "image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`))
}

// Browsers and CDNs keep the picture for a day and do not ask for it again. No cache is needed for this.
func ExampleResponse() {
	e := echo.New()
	e.GET("/logo.svg", logo, echocache.Response(response.Public(24*time.Hour).Immutable()))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/logo.svg", http.NoBody))
	fmt.Println(w.Code, w.Header().Get("Cache-Control"))
	// Output:
	// 200 public, max-age=86400, immutable
}

// A client that has the answer already is told so.
func ExampleResponse_eTag() {
	e := echo.New()
	e.GET("/logo.svg", logo, echocache.Response(response.NoCache().ETag()))
	r := httptest.NewRequest(http.MethodGet, "/logo.svg", http.NoBody)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body.Len(), "bytes")
	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	w = httptest.NewRecorder()
	e.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body.Len(), "bytes")
	// Output:
	// 200 41 bytes
	// 304 0 bytes
}

// No copy downstream lives longer than the entry that it was made from.
func ExampleResponse_output() {
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	e := echo.New()
	e.GET("/logo.svg", logo,
		echocache.Response(response.Public(24*time.Hour)), cache.Output(output.For(time.Minute).Jitter(0)))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/logo.svg", http.NoBody))
	fmt.Println(w.Header().Get("Cache-Control"))
	// Output:
	// public, max-age=60
}
