package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// A shop that is told to stop answers first what it was asked, with a database that is still open.
func TestStopAnswersFirst(t *testing.T) {
	t.Parallel()
	s, err := newShop(t.Context(), config{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	asked, stopping := make(chan struct{}), make(chan struct{})
	s.echo.Server.RegisterOnShutdown(func() { close(stopping) })
	s.echo.GET("/slow", func(c echo.Context) error {
		close(asked)
		<-stopping
		if _, found, err := s.db.product(c.Request().Context(), 7); err != nil || !found {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	})
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.serve(ctx, listener) }()
	go func() {
		<-asked
		stop()
	}()
	call, err := parseCurl("curl -s -w '%{http_code}' http://" + listener.Addr().String() + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := call.run(t.Context(), &http.Client{Transport: plainTransport(t)}); err != nil || got != "204" {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := s.db.Ping(t.Context()); err == nil {
		t.Error("the database is still open")
	}
}

// One entry serves clients with gzip and without, and what the outer middleware says is each answer's own.
func TestMiddlewareAroundTheCache(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	plain := get(t, s, "/products", http.StatusOK, "miss")
	packed := get(t, s, "/products", http.StatusOK, "hit", "Accept-Encoding: gzip")
	if got := packed.Header().Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding: %s", got)
	}
	reader, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(text, plain.Body.Bytes()) {
		t.Errorf("%d bytes instead of %d, %v", len(text), plain.Body.Len(), err)
	}
	again := get(t, s, "/products", http.StatusOK, "hit")
	if got := again.Header().Get("Content-Encoding"); got != "" {
		t.Errorf("Content-Encoding: %s for a client without", got)
	}
	for name, count := range map[string]int{"X-Request-Id": 1, "X-Content-Type-Options": 1, "X-Frame-Options": 1, "Vary": 2} {
		if got := again.Header().Values(name); len(got) != count {
			t.Errorf("%s: %q", name, got)
		}
	}
	if again.Header().Get("X-Request-Id") == plain.Header().Get("X-Request-Id") {
		t.Error("two requests have one id")
	}
	unchanged := get(t, s, "/products", http.StatusNotModified, "hit", "Accept-Encoding: gzip",
		"If-None-Match: "+packed.Header().Get("Etag"))
	if unchanged.Body.Len() > 0 || unchanged.Header().Get("Content-Encoding") != "" {
		t.Errorf("304 with %d bytes of %q", unchanged.Body.Len(), unchanged.Header().Get("Content-Encoding"))
	}
}

// Each request is a line in the log, and the line says what the cache did. What it did not have is another one.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, err := newShop(t.Context(), config{}, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	get(t, s, "/products/7", http.StatusOK, "miss", "X-Request-Id: one")
	get(t, s, "/products/7", http.StatusOK, "hit", "X-Request-Id: two")
	get(t, s, "/products/999", http.StatusNotFound, "miss", "X-Request-Id: three")
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	type line struct {
		Msg, Path, Cache string
		Status           int
		ID               string `json:"request_id"`
	}
	loaded := line{Msg: "products loaded"} // which ones is in catalog_test.go
	want := []line{
		loaded,
		{"request", "/products/7", "shop; fwd=uri-miss; stored", 200, "one"},
		{"request", "/products/7", "shop; hit", 200, "two"},
		loaded,
		{"request", "/products/999", "shop; fwd=uri-miss; stored", 404, "three"},
	}
	decoder := json.NewDecoder(&log)
	for _, w := range want {
		var got line
		if err := decoder.Decode(&got); err != nil {
			t.Fatal(err)
		}
		got.Cache, _, _ = strings.Cut(got.Cache, "; ttl")
		if got != w {
			t.Errorf("%+v instead of %+v", got, w)
		}
	}
	if decoder.More() {
		t.Error("there are further lines")
	}
}
