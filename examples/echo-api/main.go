// Command echo-api is a shop's API on SQLite, with its pages cached by echocache: the module to copy from. Start with
// routes.go, which says what is cached and what evicts it.
//
//	ADDR        where to listen; 127.0.0.1:8080
//	DATABASE    the database's file; without one it is temporary, and removed at exit
//	DB_LATENCY  how long every call of the database takes longer than it would, as over a network; 20ms
//	VERSION     this release; one never shows a page that another one made
//	WARM        1: the cache is filled before the first request; 0
//	PAGE_TTL    how long pages of products are fresh; 5m
//	FAIL_RATE   the fraction of the database's calls that fail, once the shop is open; 0
//
// With a Redis, several instances on one DATABASE share their pages, and evict each other's:
//
//	REDIS_ADDR      one address; several, with commas between, of a Cluster; or of Sentinels, with
//	REDIS_MASTER    the name that these know
//	REDIS_USERNAME, REDIS_PASSWORD, REDIS_TLS (1 or 0), or all in one as REDIS_URL
//
// A session with a shop that has just been started. main_test.go runs it. Of the headers only those that matter are
// shown, and … stands for what differs from time to time or is too long for the line.
//
//	# The first time the handler runs, and its answer is stored.
//	$ curl -i http://127.0.0.1:8080/products/7
//	HTTP/1.1 200 OK
//	Cache-Control: no-cache
//	Cache-Status: shop; fwd=uri-miss; stored; ttl=…
//	Etag: W/"8a56bfa4789df7c26930b33587de7027"
//
//	{"id":7,"name":"Oak Floor Lamp","brand":"Marlow","category":"lamps","price_cents":6450,"updated_at":"2026-01-15T09:00:00Z"}
//
//	# From then on it does not, whoever asks: the policy is Public, and Alice gets the same page.
//	$ curl -i -H 'Authorization: Bearer alice-token' http://127.0.0.1:8080/products/7
//	HTTP/1.1 200 OK
//	Age: …
//	Cache-Status: shop; hit; ttl=…; detail=memory
//
//	{"id":7,"name":"Oak Floor Lamp",…}
//
//	# A browser that has the page already is told that it is still right.
//	$ curl -i -H 'If-None-Match: W/"8a56bfa4789df7c26930b33587de7027"' http://127.0.0.1:8080/products/7
//	HTTP/1.1 304 Not Modified
//	Cache-Status: shop; hit; ttl=…; detail=memory
//
//	# The list is made once for each language, category, page and order. German, please.
//	$ curl -i -H 'Accept-Language: it, de-CH;q=0.9' 'http://127.0.0.1:8080/products?category=lamps'
//	HTTP/1.1 200 OK
//	Cache-Status: shop; fwd=uri-miss; stored; ttl=…
//	Content-Language: de
//	Vary: Accept-Language
//
//	{"page":1,"pages":2,"total":34,"products":[…"price_cents":6450,"updated_at":"2026-01-15T09:00:00Z","category_name":"Leuchten"},…]}
//
//	# Two products, in short.
//	$ curl -s -o /dev/null -w '%{http_code} %header{cache-status}\n' 'http://127.0.0.1:8080/products/[7-8]'
//	200 shop; hit; ttl=…; detail=memory
//	200 shop; fwd=uri-miss; stored; ttl=…
//
//	# A write evicts, before its answer arrives, what shows the product …
//	$ curl -s -X PUT http://127.0.0.1:8080/products/7 -d '{"name":"Oak Floor Lamp","brand":"Kestrel","category":"lamps","price_cents":5900}'
//	{"id":7,"name":"Oak Floor Lamp","brand":"Kestrel","category":"lamps","price_cents":5900,"updated_at":"…"}
//
//	# … and nothing else: product 8 is still a hit.
//	$ curl -s -o /dev/null -w '%{http_code} %header{cache-status}\n' 'http://127.0.0.1:8080/products/[7-8]'
//	200 shop; fwd=uri-miss; stored; ttl=…
//	200 shop; hit; ttl=…; detail=memory
//
//	# The list shows the new price.
//	$ curl -i -H 'Accept-Language: de' 'http://127.0.0.1:8080/products?category=lamps'
//	HTTP/1.1 200 OK
//	Cache-Status: shop; fwd=uri-miss; stored; ttl=…
//
//	{"page":1,"pages":2,"total":34,"products":[…"price_cents":5900,"updated_at":"…","category_name":"Leuchten"},…]}
//
//	# Alice orders, and has a page of her own …
//	$ curl -s -H 'Authorization: Bearer alice-token' http://127.0.0.1:8080/me/orders -d '{"product_id":7,"quantity":2}'
//	{"id":1,"product_id":7,"product":"Oak Floor Lamp","quantity":2,"price_cents":5900,"ordered_at":"…"}
//	$ curl -i -H 'Authorization: Bearer alice-token' http://127.0.0.1:8080/me/orders
//	HTTP/1.1 200 OK
//	Cache-Control: private, no-cache
//	Cache-Status: shop; fwd=uri-miss; stored; ttl=…
//
//	{"orders":[{"id":1,"product_id":7,"product":"Oak Floor Lamp","quantity":2,"price_cents":5900,"ordered_at":"…"}]}
//
//	# … that Bob does not get: the policy is PerUser, and the same path is another entry.
//	$ curl -i -H 'Authorization: Bearer bob-token' http://127.0.0.1:8080/me/orders
//	HTTP/1.1 200 OK
//	Cache-Status: shop; fwd=uri-miss; stored; ttl=…
//
//	{"orders":[]}
//
//	# All of it in numbers.
//	$ curl -s http://127.0.0.1:8080/debug/cache
//	{"name":"shop","version":"dev","enabled":true,"hits":4,"misses":7,…}
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
)

// grace is how long requests that are being answered may take when the shop stops.
const grace = 8 * time.Second

func main() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(context.Background(), os.Getenv, logger); err != nil {
		logger.Error("the shop stopped", "error", err)
		os.Exit(1)
	}
}

// run runs the shop until it is told to stop.
func run(ctx context.Context, getenv func(string) string, logger *slog.Logger) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // whoever insists with a second signal ends the process at once

	c, err := readConfig(getenv)
	if err != nil {
		return err
	}
	s, err := newShop(ctx, c, logger)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return errors.Join(fmt.Errorf("ADDR: %w", err), s.close())
	}
	database := c.Database
	if database == "" {
		database = "temporary"
	}
	logger.Info("the shop is open", "address", listener.Addr().String(), "database", database,
		"db_latency", c.Latency, "version", c.Version)
	if c.Latency > 0 {
		logger.Info("db_latency is added to every call of the database, to stand in for one on the network")
	}
	if c.Warm {
		if err := s.warm(ctx, listener.Addr().String()); err != nil {
			return errors.Join(err, listener.Close(), s.close())
		}
	}
	if c.FailRate > 0 {
		logger.Warn("calls of the database fail on purpose", "fail_rate", c.FailRate)
		s.db.fail(c.FailRate)
	}
	return s.serve(ctx, listener)
}

// shop is all that runs.
type shop struct {
	db      *database
	backend *backend
	cache   *echocache.Cache
	echo    *echo.Echo
	logger  *slog.Logger
	pageTTL time.Duration
}

func newShop(ctx context.Context, c config, logger *slog.Logger) (*shop, error) {
	where, err := newBackend(c, logger)
	if err != nil {
		return nil, err
	}
	cache, err := newCache(where, c.Version, logger)
	if err != nil {
		return nil, errors.Join(err, where.Close())
	}
	db, err := openDatabase(ctx, c.Database, c.Latency)
	if err != nil {
		return nil, errors.Join(err, cache.Close())
	}
	s := &shop{db: db, backend: where, cache: cache, echo: newServer(logger), logger: logger, pageTTL: cmp.Or(c.PageTTL, defaultPageTTL)}
	s.mount(s.echo, cache)
	return s, nil
}

// serve answers requests until ctx ends or the server fails, and closes the shop.
func (s *shop) serve(ctx context.Context, listener net.Listener) error {
	s.echo.Listener = listener
	failed := make(chan error, 1)
	go func() { failed <- s.echo.Start("") }()
	select {
	case err := <-failed:
		return errors.Join(err, s.close())
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := s.echo.Shutdown(patience)
	if err != nil {
		err = errors.Join(err, s.echo.Close()) // their time is over
	}
	return errors.Join(err, s.close())
}

// close closes what the server works with. The order matters: requests first (serve has seen to it), then the cache,
// whose fills in the background ask the database, and the database last.
func (s *shop) close() error { return errors.Join(s.cache.Close(), s.db.Close()) }
