package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestProductIDsAreStrict(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for _, id := range []string{
		"0", "07", "+7", "-7", "7.0", "7/", "7%20", "%37", "0x7", "٧", "9223372036854775808", "seven", "201",
	} {
		for _, line := range []string{"GET", "PUT", "DELETE"} {
			w := ask(t, s, line+" /products/"+id, lampJSON(t, "Kestrel", 100))
			if line == "GET" {
				w = ask(t, s, "GET /products/"+id, "")
			}
			if got := body[failure](t, w); w.Code != http.StatusNotFound || got.Error == "" {
				t.Errorf("%s %s: %d %s", line, id, w.Code, w.Body)
			}
		}
	}
	if got := body[product](t, get(t, s, "/products/7", http.StatusOK, "miss")); got != withID(seededProduct(6), 7) {
		t.Errorf("product 7 is %+v", got)
	}
}

func withID(p product, id int64) product {
	p.ID = id
	return p
}

func TestProductIsKept(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	w := get(t, s, "/products/7", http.StatusOK, "miss")
	if n := ttl(t, w); n < 270 || n > 300 {
		t.Errorf("a ttl of %d s, instead of 5 minutes less at most a tenth", n)
	}
	get(t, s, "/products/7", http.StatusOK, "hit")
	get(t, s, "/products/7", http.StatusOK, "hit", alice)
	get(t, s, "/products/7", http.StatusOK, "hit", "Authorization: Bearer nobody-knows-it")
	get(t, s, "/products/7?utm_source=letter", http.StatusOK, "hit")
	get(t, s, "/products/7", http.StatusNotModified, "hit", "If-None-Match: "+w.Header().Get("Etag"))
	head := ask(t, s, "HEAD /products/7", "")
	want(t, head, http.StatusOK, "hit")
	if head.Body.Len() > 0 || head.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d bytes, Content-Length %q", head.Body.Len(), head.Header().Get("Content-Length"))
	}
}

func TestWriteEvictsWhatShowsIt(t *testing.T) {
	t.Parallel()
	put := lampJSON(t, "Marlow", 5900)
	for name, row := range map[string]struct {
		line, body string
		code       int
		evicted    []string
		kept       []string
	}{
		"PUT": {
			"PUT /products/7", put, http.StatusOK,
			// Product 17 is of the same brand, and its page has the brand's tag.
			[]string{"/products", "/products?page=2", "/products/7", "/products/17", "/brands/Marlow"},
			[]string{"/products/8", "/brands/Kestrel"},
		},
		"PUT to another brand": {
			"PUT /products/7", lampJSON(t, "Kestrel", 5900), http.StatusOK,
			[]string{"/products", "/products/7", "/brands/Marlow", "/brands/Kestrel"},
			[]string{"/products/8", "/brands/Tanaka"},
		},
		"DELETE": {
			"DELETE /products/7", "", http.StatusNoContent,
			[]string{"/products", "/products/7", "/brands/Marlow"},
			[]string{"/products/8", "/brands/Kestrel"},
		},
		"POST": {
			"POST /products", put, http.StatusCreated,
			[]string{"/products", "/products/201", "/brands/Marlow"},
			[]string{"/products/8", "/products/202", "/brands/Kestrel"},
		},
		"POST of a new brand with care": {
			"POST /products", lampJSON(t, "50%41 é/?#", 1), http.StatusCreated,
			[]string{"/products", "/brands/50%2541%20%C3%A9%2F%3F%23"},
			[]string{"/brands/50A%20%C3%A9%2F%3F%23", "/brands/Marlow"},
		},
		"PUT that is not valid": {
			"PUT /products/7", `{"name":"x"}`, http.StatusBadRequest,
			nil, []string{"/products", "/products/7", "/brands/Marlow"},
		},
		"PUT of nothing": {
			"PUT /products/999", put, http.StatusNotFound,
			nil, []string{"/products", "/products/7", "/products/999", "/brands/Kestrel"},
		},
		"an order": {
			"POST /me/orders", `{"product_id":7,"quantity":1}`, http.StatusCreated,
			nil, []string{"/products", "/products/7", "/brands/Marlow"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testShop(t)
			for _, path := range append(row.evicted, row.kept...) {
				ask(t, s, "GET "+path, "")
				if w := ask(t, s, "GET "+path, ""); !strings.HasPrefix(w.Header().Get("Cache-Status"), "shop; hit") {
					t.Fatalf("%s is not a hit before: %s", path, w.Header().Get("Cache-Status"))
				}
			}
			want(t, ask(t, s, row.line, row.body, alice), row.code, "")
			for _, path := range row.evicted {
				if said := ask(t, s, "GET "+path, "").Header().Get("Cache-Status"); !strings.HasPrefix(said, "shop; fwd=uri-miss; stored") {
					t.Errorf("%s is not evicted: %s", path, said)
				}
			}
			for _, path := range row.kept {
				if said := ask(t, s, "GET "+path, "").Header().Get("Cache-Status"); !strings.HasPrefix(said, "shop; hit") {
					t.Errorf("%s is evicted: %s", path, said)
				}
			}
		})
	}
}

// A page of nothing is kept for ten seconds, unless the thing is made before.
func TestNothingIsKeptShortly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := testShop(t)
		for _, path := range []string{"/products/201", "/brands/Nobody"} {
			w := get(t, s, path, http.StatusNotFound, "miss")
			if n := ttl(t, w); n < 9 || n > 10 {
				t.Errorf("%s: a ttl of %d s instead of 10 s less at most a tenth", path, n)
			}
			<-time.After(8 * time.Second)
			get(t, s, path, http.StatusNotFound, "hit")
			<-time.After(2 * time.Second)
			get(t, s, path, http.StatusNotFound, "miss")
		}
		want(t, ask(t, s, "POST /products", lampJSON(t, "Nobody", 100)), http.StatusCreated, "")
		get(t, s, "/products/201", http.StatusOK, "miss")
		get(t, s, "/brands/Nobody", http.StatusOK, "miss")
	})
}

func TestProductValidation(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	const rest = `,"brand":"Kestrel","category":"lamps","price_cents":100`
	long := strings.Repeat("x", maxName+1)
	for name, row := range map[string]struct {
		body   string
		code   int
		fields string // those complained about
	}{
		"all there":         {`{"name":"Lamp"` + rest + `}`, 201, ""},
		"free of charge":    {`{"name":"Lamp","brand":"Kestrel","category":"lamps","price_cents":0}`, 201, ""},
		"sent back":         {`{"name":"Lamp"` + rest + `,"updated_at":"2026-01-15T09:00:00Z"}`, 201, ""},
		"nothing":           {``, 400, ""},
		"nothing there":     {`{}`, 400, "brand category name price_cents"},
		"null":              {`null`, 400, "brand category name price_cents"},
		"a number":          {`7`, 400, ""},
		"a list":            {`[]`, 400, ""},
		"half":              {`{"name":"Lamp"`, 400, ""},
		"two":               {`{"name":"Lamp"` + rest + `}{}`, 400, ""},
		"rubbish after":     {`{"name":"Lamp"` + rest + `} x`, 400, ""},
		"unknown field":     {`{"name":"Lamp","nam":"Lamp"` + rest + `}`, 400, "nam"},
		"wrong type":        {`{"name":7` + rest + `}`, 400, "name"},
		"an id":             {`{"id":7,"name":"Lamp"` + rest + `}`, 400, "id"},
		"empty name":        {`{"name":""` + rest + `}`, 400, "name"},
		"space at the end":  {`{"name":"Lamp "` + rest + `}`, 400, "name"},
		"control character": {`{"name":"La\u0000mp"` + rest + `}`, 400, "name"},
		"long name":         {`{"name":"` + long + `"` + rest + `}`, 400, "name"},
		"long brand":        {`{"name":"Lamp","brand":"` + long + `","category":"lamps","price_cents":1}`, 400, "brand"},
		"unknown category":  {`{"name":"Lamp","brand":"Kestrel","category":"Lamps","price_cents":1}`, 400, "category"},
		"negative price":    {`{"name":"Lamp","brand":"Kestrel","category":"lamps","price_cents":-1}`, 400, "price_cents"},
		"price in euros":    {`{"name":"Lamp","brand":"Kestrel","category":"lamps","price_cents":1.5}`, 400, "price_cents"},
		"too much":          {strings.Repeat(" ", 65<<10), 413, ""},
	} {
		w := ask(t, s, "POST /products", row.body)
		if w.Code != row.code {
			t.Errorf("%s: %d instead of %d: %s", name, w.Code, row.code, w.Body)
			continue
		}
		if row.code == http.StatusCreated {
			continue
		}
		got := body[failure](t, w)
		if fields := strings.Join(sortedKeys(got.Fields), " "); got.Error == "" || fields != row.fields {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
	w := ask(t, s, "PUT /products/7", `{"id":8,"name":"Lamp"`+rest+`}`)
	if w.Code != http.StatusBadRequest {
		t.Errorf("PUT of another product's number: %d", w.Code)
	}
	if w = ask(t, s, "PUT /products/7", ask(t, s, "GET /products/7", "").Body.String()); w.Code != http.StatusOK {
		t.Errorf("PUT of what GET gave: %d %s", w.Code, w.Body)
	}
}

// Whoever writes sees it in the next answer, on every page that shows it, however busy the shop is.
func TestWriterSeesTheWrite(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, path := range []string{"/products/1", "/products/2", "/brands/Even", "/brands/Odd", "/products"} {
					ask(t, s, "GET "+path, "")
				}
			}
		})
	}
	for id := range int64(2) {
		writers.Go(func() {
			for n := range int64(40) {
				checkWrite(t, s, id+1, n)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func checkWrite(t *testing.T, s *shop, id, n int64) {
	t.Helper()
	brand, other := "Even", "Odd"
	if n%2 == 1 {
		brand, other = other, brand
	}
	w := ask(t, s, fmt.Sprintf("PUT /products/%d", id), lampJSON(t, brand, n))
	written := body[product](t, w)
	if got := body[product](t, ask(t, s, fmt.Sprintf("GET /products/%d", id), "")); got != written {
		t.Errorf("wrote %+v, the product's page shows %+v", written, got)
	}
	if got := body[brandPage](t, ask(t, s, "GET /brands/"+brand, "")); !shows(got.Products, written) {
		t.Errorf("wrote %+v, its brand's page shows %+v", written, got)
	}
	if got := body[brandPage](t, ask(t, s, "GET /brands/"+other, "")); shows(got.Products, withID(product{}, id)) {
		t.Errorf("wrote %+v, its old brand's page shows %+v", written, got)
	}
	for _, p := range body[productList](t, ask(t, s, "GET /products", "")).Products {
		if p.ID == id && p.product != written {
			t.Errorf("wrote %+v, the list shows %+v", written, p.product)
		}
	}
}

// shows reports whether p is among ps; for a product with nothing but a number, whether one of this number is.
func shows(ps []product, p product) bool {
	for _, q := range ps {
		if q == p || p == (product{ID: q.ID}) {
			return true
		}
	}
	return false
}
