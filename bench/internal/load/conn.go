// Package load asks servers for pages: with wrk as fast as they answer, at a fixed rate from its own pacer, and with many
// requests at one moment. Whatever it counts as an answer has been checked, by every byte where it reads the answer itself.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/echocache/echocache/bench/internal/page"
)

// patience is how long one answer may take.
const patience = 30 * time.Second

// conn is a connection that is kept alive. It is for one goroutine.
type conn struct {
	net.Conn
	reader *bufio.Reader
	body   []byte
}

func dial(ctx context.Context, addr string, size int) (*conn, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return &conn{Conn: c, reader: bufio.NewReaderSize(c, 16<<10), body: make([]byte, size)}, nil
}

// message is the request for a page as it goes over the wire.
func message(number int) []byte {
	text := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", page.URI(number), page.Host)
	for _, h := range page.Headers() {
		text = fmt.Appendf(text, "%s: %s\r\n", h[0], h[1])
	}
	return append(text, "\r\n"...)
}

// ask sends a request and checks the answer.
func (c *conn) ask(request, want []byte) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if _, err := c.Write(request); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	n, err := io.ReadFull(response.Body, c.body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("load: %w", err)
	}
	more, err := io.Copy(io.Discard, response.Body) // the connection's next answer begins behind it
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if more > 0 {
		return fmt.Errorf("load: %d bytes too many", more)
	}
	return page.Check(response.StatusCode, response.Header, c.body[:n], want)
}

// Check asks for a page once and checks every byte.
func Check(ctx context.Context, addr string, number, size int) error {
	c, err := dial(ctx, addr, size)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.ask(message(number), page.Body(size))
}
