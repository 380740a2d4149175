package security_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// answer is what a client got. Of a long body only the beginning is kept.
type answer struct {
	status int
	header http.Header
	body   string
	size   int64
	err    error
}

const keptBody = 1 << 20

// wire is a request as it goes over the network.
func (r ask) wire(i int) string {
	if r.Raw != "" {
		return r.Raw
	}
	host := r.Host
	if host == "" {
		host = "good.test"
	}
	var b strings.Builder
	b.WriteString(r.Method + " " + numbered(repeated(r.Target), i) + " HTTP/1.1\r\nHost: " + host + "\r\n")
	for _, h := range r.Headers {
		b.WriteString(h[0] + ": " + numbered(repeated(h[1]), i) + "\r\n")
	}
	if r.Body != "" {
		b.WriteString("Content-Length: " + strconv.Itoa(len(r.Body)) + "\r\n")
	}
	b.WriteString("\r\n" + r.Body)
	return b.String()
}

// send asks over a connection of its own, byte for byte. first is called when the first byte of the body is there.
func send(addr string, r ask, i int, first func()) (a answer) {
	conn, err := dial(addr)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = conn.Close() }()
	text := r.wire(i)
	if _, a.err = io.WriteString(conn, text); a.err != nil {
		return a
	}
	method, _, _ := strings.Cut(text, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	a.status, a.header = response.StatusCode, response.Header
	begin, one := &bytes.Buffer{}, [1]byte{}
	if n, _ := response.Body.Read(one[:]); n > 0 {
		first()
		begin.Write(one[:n])
	}
	if _, a.err = io.CopyN(begin, response.Body, keptBody); a.err == io.EOF { //nolint:errorlint // CopyN returns it as it is
		a.err = nil
	}
	a.body, a.size = begin.String(), int64(begin.Len())
	rest, err := io.Copy(io.Discard, response.Body)
	a.size += rest
	if err != nil {
		a.err = err
	}
	return a
}

func dial(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), failsafe)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(3 * failsafe))
}

// leave asks, and closes the connection as soon as the handler is at work.
func leave(addr string, r ask, entered <-chan struct{}) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	if _, err = io.WriteString(conn, r.wire(0)); err == nil {
		select {
		case <-entered:
		case <-time.After(failsafe):
			err = context.DeadlineExceeded
		}
	}
	_ = conn.Close()
	return err
}

// within asks without a network, for the cases that ask tens of thousands of times.
func within(h http.Handler, r ask, i int) answer {
	request := httptest.NewRequest(r.Method, numbered(repeated(r.Target), i), strings.NewReader(r.Body))
	request.Host = "good.test"
	for _, line := range r.Headers {
		request.Header.Add(line[0], numbered(line[1], i))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request)
	return answer{status: w.Code, header: w.Header(), body: w.Body.String(), size: int64(w.Body.Len())}
}
