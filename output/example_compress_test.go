package output_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/echocache/echocache/output"
)

func ExamplePolicy_Compress() {
	cache, err := output.New(output.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()
	list := cache.Handler(output.For(time.Minute).Compress(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"7"`)
		_, _ = io.WriteString(w, strings.Repeat("a product ", 1000))
	}))
	for _, accepts := range []string{"gzip", "gzip;q=0"} {
		r := httptest.NewRequest(http.MethodGet, "/products", http.NoBody)
		r.Header.Set("Accept-Encoding", accepts)
		w := httptest.NewRecorder()
		list.ServeHTTP(w, r)
		fmt.Printf("%q %s %s\n", w.Header().Get("Content-Encoding"), w.Header().Get("Etag"), w.Header().Get("Vary"))
	}
	// Output:
	// "gzip" "7-gzip" Accept-Encoding
	// "" "7" Accept-Encoding
}
