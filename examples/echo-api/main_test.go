package main

import (
	"context"
	"go/parser"
	"go/token"
	"log/slog"
	"net"
	"net/http"
	"testing"
)

// The session at the top of main.go, command by command, against a shop on a port of its own.
func TestCurlSession(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	runSession(t, readSession(file.Doc.Text()), 8)
}

// startShop starts a shop as main does and returns its address. When the test ends, the shop must stop in good order.
func startShop(t *testing.T) string {
	t.Helper()
	s, err := newShop(t.Context(), config{Version: "dev"}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- s.serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("the shop did not stop in good order: %v", err)
		}
	})
	return listener.Addr().String()
}

// plainTransport asks as curl does: without a proxy, and for no compression that the command does not name.
func plainTransport(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
