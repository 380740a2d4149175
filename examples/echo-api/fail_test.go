package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a warm shop in a bubble, with pages that are fresh for ttl and a database that is about to fail.
func failing(t *testing.T, ttl time.Duration) *shop {
	t.Helper()
	s, err := newShop(t.Context(), config{Version: "test", PageTTL: ttl}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// While the database is down every page that was there is shown, for as long as its policy says, and then the failure is.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := failing(t, 5*time.Minute)
		pages := []string{"/products", "/products/7", "/products/8", "/brands/Marlow", "/products?category=lamps"}
		for _, page := range pages {
			get(t, s, page, http.StatusOK, "miss")
		}
		s.db.fail(1)
		began, said := time.Now(), map[string]int{}
		for time.Since(began) < 64*time.Minute { // a page may be 10 % shorter fresh, and is stale for an hour then
			for _, page := range pages {
				w := ask(t, s, "GET "+page, "")
				if w.Code != http.StatusOK {
					t.Fatalf("after %s: %d %s %v", time.Since(began), w.Code, page, w.Header())
				}
				for _, how := range []string{"; hit; ttl=-", "; hit; ttl=", "fwd=stale; fwd-status=500", "fwd=stale; stored"} {
					if strings.Contains(w.Header().Get("Cache-Status"), how) {
						said[how]++
						break
					}
				}
			}
			time.Sleep(10 * time.Second)
		}
		if len(said) != 4 {
			t.Errorf("it said %v", said)
		}
		time.Sleep(3 * time.Hour)
		for _, page := range pages {
			get(t, s, page, http.StatusInternalServerError, "shop; fwd=uri-miss; detail=error")
		}
	})
}

// What a write has evicted is not shown instead of a failure, though the write has failed: it may have happened.
func TestDatabaseDownAfterAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := failing(t, 5*time.Minute)
		get(t, s, "/products/7", http.StatusOK, "miss")
		get(t, s, "/products/8", http.StatusOK, "miss")
		s.db.fail(1)
		time.Sleep(2 * time.Hour / 2)
		want(t, ask(t, s, "PUT /products/7", lampJSON(t, "Marlow", 100)), http.StatusInternalServerError, "")
		get(t, s, "/products/7", http.StatusInternalServerError, "shop; fwd=uri-miss; detail=error")
		if w := ask(t, s, "GET /products/8", ""); w.Code != http.StatusOK {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
}

// With a database that fails every other time, under readers and writers, nobody sees a price older than one that a write
// before has confirmed.
func TestDatabaseFlaky(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const products, readers, writers = 4, 8, 2
		s := failing(t, 50*time.Millisecond)
		var confirmed [products + 1]atomic.Int64
		for id := 1; id <= products; id++ {
			get(t, s, fmt.Sprint("/products/", id), http.StatusOK, "miss")
		}
		s.db.fail(0.5)
		s.db.latency = 2 * time.Millisecond
		over := time.Now().Add(20 * time.Second)
		var reads, failed, instead, writes atomic.Int64
		var all sync.WaitGroup
		for range readers {
			all.Go(func() {
				for time.Now().Before(over) {
					id := 1 + rand.IntN(products)
					least := confirmed[id].Load()
					w := ask(t, s, fmt.Sprint("GET /products/", id), "")
					reads.Add(1)
					if strings.Contains(w.Header().Get("Cache-Status"), "ttl=-") {
						instead.Add(1)
					}
					switch w.Code {
					case http.StatusOK:
						if p := body[product](t, w); least > 0 && p.PriceCents < least {
							t.Errorf("product %d costs %d, after a write of %d was confirmed: %v", id, p.PriceCents, least, w.Header())
							return
						}
					case http.StatusInternalServerError:
						failed.Add(1)
					default:
						t.Errorf("%d %s", w.Code, w.Body)
						return
					}
					time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
				}
			})
		}
		for n := range writers {
			all.Go(func() {
				// Each writer has products of its own, whose prices only rise.
				for price := int64(1_000_000); time.Now().Before(over); price++ {
					id := 1 + n + writers*rand.IntN(products/writers)
					if w := ask(t, s, fmt.Sprint("PUT /products/", id), lampJSON(t, "Marlow", price)); w.Code == http.StatusOK {
						writes.Add(1)
						confirmed[id].Store(price)
					}
					time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
				}
			})
		}
		all.Wait()
		t.Logf("%d reads, of them %d with a stale page and %d failed; %d writes confirmed", reads.Load(), instead.Load(), failed.Load(), writes.Load())
		if instead.Load() == 0 || failed.Load() == 0 || writes.Load() == 0 {
			t.Error("something has not happened at all")
		}
	})
}
