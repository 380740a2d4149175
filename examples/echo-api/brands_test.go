package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestBrandNamesInURLs(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for _, brand := range seededBrands {
		for _, path := range []string{"/brands/" + url.PathEscape(brand), "/brands/" + everyByteEscaped(brand)} {
			page := body[brandPage](t, get(t, s, path, http.StatusOK, "miss"))
			if page.Brand != brand || page.Total != 20 || len(page.Products) != 20 {
				t.Errorf("%s: %q with %d of %d products", path, page.Brand, len(page.Products), page.Total)
			}
			get(t, s, path, http.StatusOK, "hit")
			if path == "/brands/"+everyByteEscaped(brand) {
				break
			}
		}
	}
	for _, path := range []string{
		"/brands/kestrel", "/brands/Kestrel/", "/brands/Kestrel%20", "/brands/Acme%2520Co%252FInc",
		"/brands/100%2525%20Linen", "/brands/" + strings.Repeat("x", 300), "/brands/%00", "/brands/%FF",
	} {
		w := ask(t, s, "GET "+path, "")
		if got := body[failure](t, w); w.Code != http.StatusNotFound || got.Error != "no such brand" {
			t.Errorf("%.40s: %d %s", path, w.Code, w.Body)
		}
	}
}

func everyByteEscaped(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

// net/http refuses a request line with a bad escape, so it can reach the handler only by another way.
func TestBrandWithBadEscape(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.URL.Path, r.URL.RawPath = "/brands/x", "/brands/%zz"
	w := httptest.NewRecorder()
	s.echo.ServeHTTP(w, r)
	if w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A page with more products than it may have tags is kept all the same, and evicted by its brand.
func TestLongBrandPage(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for n := range int64(90) {
		want(t, ask(t, s, "POST /products", lampJSON(t, "Many", n)), http.StatusCreated, "")
	}
	if page := body[brandPage](t, get(t, s, "/brands/Many", http.StatusOK, "miss")); page.Total != 90 || len(page.Products) != 90 {
		t.Fatalf("%d of %d products", len(page.Products), page.Total)
	}
	get(t, s, "/brands/Many", http.StatusOK, "hit")
	want(t, ask(t, s, "DELETE /products/290", ""), http.StatusNoContent, "")
	if page := body[brandPage](t, get(t, s, "/brands/Many", http.StatusOK, "miss")); page.Total != 89 {
		t.Errorf("%d products after one has gone", page.Total)
	}
}

func TestBrandPageIsBounded(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	_, err := s.db.write.ExecContext(t.Context(), "UPDATE products SET brand = 'One'")
	if err != nil {
		t.Fatal(err)
	}
	want(t, ask(t, s, "POST /products", lampJSON(t, "One", 1)), http.StatusCreated, "")
	page := body[brandPage](t, get(t, s, "/brands/One", http.StatusOK, "miss"))
	if page.Total != seededProducts+1 || len(page.Products) != brandProducts {
		t.Errorf("%d of %d products", len(page.Products), page.Total)
	}
}

// What evicts a product by another way than a route takes it off its brand's page.
func TestBrandPageHasItsProductsTags(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	get(t, s, "/brands/Marlow", http.StatusOK, "miss")
	get(t, s, "/brands/Marlow", http.StatusOK, "hit")
	if err := s.cache.Outputs().Evict(t.Context(), productTag(17)); err != nil {
		t.Fatal(err)
	}
	get(t, s, "/brands/Marlow", http.StatusOK, "miss")
}
