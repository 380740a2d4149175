package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// say sends a request and prints the answer.
func say(e *echo.Echo, method, target string) {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(method, target, http.NoBody))
	fmt.Println(strings.TrimSpace(fmt.Sprint(method, " ", target, " → ", w.Code, " ", w.Body)))
}

// The zero Config works: a cache in this process, of 64 MiB.
func ExampleNew() {
	cache, err := echocache.New(echocache.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() // after the server's Shutdown
	_, err = echocache.New(echocache.Config{PerClient: []string{""}})
	fmt.Println(err)
	// Output:
	// middleware: Config.PerClient contains "": name each one or leave it out
}

// The handler runs once a minute, whoever asks.
func ExampleCache_Output() {
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	e := echo.New()
	ran := 0
	e.GET("/visits", func(c echo.Context) error {
		ran++
		return c.String(http.StatusOK, fmt.Sprint("made ", ran))
	}, cache.Output(output.For(time.Minute)))
	say(e, http.MethodGet, "/visits")
	say(e, http.MethodGet, "/visits")
	say(e, http.MethodGet, "/visits?page=2")
	// Output:
	// GET /visits → 200 made 1
	// GET /visits → 200 made 1
	// GET /visits?page=2 → 200 made 2
}

// A write evicts what it has changed, before its answer leaves, and nothing else.
func ExampleCache_Evict() {
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	e := echo.New()
	price := map[string]int{"7": 10, "8": 20}
	e.GET("/products/:id", func(c echo.Context) error {
		return c.String(http.StatusOK, fmt.Sprint("costs ", price[c.Param("id")]))
	}, cache.Output(output.For(time.Hour).Tag("product:{id}")))
	e.PUT("/products/:id", func(c echo.Context) error {
		price["7"], price["8"] = 11, 21 // the route says that only one has changed
		return c.NoContent(http.StatusNoContent)
	}, cache.Evict("product:{id}"))
	say(e, http.MethodGet, "/products/7")
	say(e, http.MethodGet, "/products/8")
	say(e, http.MethodPut, "/products/7")
	say(e, http.MethodGet, "/products/7")
	say(e, http.MethodGet, "/products/8")
	// Output:
	// GET /products/7 → 200 costs 10
	// GET /products/8 → 200 costs 20
	// PUT /products/7 → 204
	// GET /products/7 → 200 costs 11
	// GET /products/8 → 200 costs 20
}

// Some tags only the handler knows: Tag adds them to the page it makes, Evict evicts them where Attach is mounted.
func ExampleCache_Attach() {
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	e := echo.New()
	e.Use(cache.Attach())
	brand := "Kestrel"
	e.GET("/products/7", func(c echo.Context) error {
		echocache.Tag(c, "brand:kestrel")
		return c.String(http.StatusOK, "by "+brand)
	}, cache.Output(output.For(time.Hour)))
	e.PUT("/brands/kestrel", func(c echo.Context) error {
		brand = "Kestrel & Sons"
		echocache.Evict(c, "brand:kestrel")
		return c.NoContent(http.StatusNoContent)
	})
	say(e, http.MethodGet, "/products/7")
	say(e, http.MethodPut, "/brands/kestrel")
	say(e, http.MethodGet, "/products/7")
	// Output:
	// GET /products/7 → 200 by Kestrel
	// PUT /brands/kestrel → 204
	// GET /products/7 → 200 by Kestrel & Sons
}

// The object and the page carry the same tag: one write forgets both.
func ExampleGetOrSet() {
	cache := echocache.Must(echocache.New(echocache.Config{}))
	defer cache.Close()
	e := echo.New()
	price := 5
	e.GET("/products/:id", func(c echo.Context) error {
		id := c.Param("id")
		p, err := echocache.GetOrSet(c, store.Key("price", id), store.For(time.Hour, "product:"+id),
			func(context.Context) (int, error) {
				fmt.Println("asks the database")
				return price, nil
			})
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, fmt.Sprint(p))
	}, cache.Output(output.For(time.Minute).Tag("product:{id}")))
	e.PUT("/products/:id", func(c echo.Context) error {
		price++
		return c.NoContent(http.StatusNoContent)
	}, cache.Evict("product:{id}"))
	say(e, http.MethodGet, "/products/7")
	say(e, http.MethodGet, "/products/7?as=text") // another page, the same value
	say(e, http.MethodPut, "/products/7")
	say(e, http.MethodGet, "/products/7")
	// Output:
	// asks the database
	// GET /products/7 → 200 5
	// GET /products/7?as=text → 200 5
	// PUT /products/7 → 204
	// asks the database
	// GET /products/7 → 200 6
}
