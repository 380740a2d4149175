package output

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// panicked makes an error of what was recovered.
func panicked(v any) error {
	switch v := v.(type) {
	case nil:
		return errors.New("output: warm: the handler ended its goroutine")
	case error:
		return fmt.Errorf("output: warm: the handler panicked: %w", v)
	default:
		return fmt.Errorf("output: warm: the handler panicked: %v", v)
	}
}

// joined derives a context from own that ends with other, too, and has the sooner of their deadlines: a fill runs until
// its request's deadline, whoever cancels. After release nothing of it is left.
func joined(own, other context.Context) (ctx context.Context, release func()) {
	var cancel context.CancelFunc
	deadline, limited := other.Deadline()
	if limited {
		ctx, cancel = context.WithDeadline(own, deadline)
	} else {
		ctx, cancel = context.WithCancel(own)
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(other, func() {
		if !limited || !errors.Is(other.Err(), context.DeadlineExceeded) {
			cancel() // else ctx ends by itself, and says why
		}
		close(fired)
	})
	return ctx, func() {
		if !stop() {
			<-fired
		}
		cancel()
	}
}

// served returns the request as a server would have read it, if a client had sent it.
func served(ctx context.Context, given *http.Request) (*http.Request, error) {
	target := given.URL.RequestURI()
	seen, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method: cmp.Or(given.Method, http.MethodGet), URL: seen, RequestURI: target,
		Proto: given.Proto, ProtoMajor: given.ProtoMajor, ProtoMinor: given.ProtoMinor,
		Header: given.Header.Clone(), Trailer: given.Trailer.Clone(), Body: given.Body,
		ContentLength: given.ContentLength, TransferEncoding: slices.Clone(given.TransferEncoding),
		Host: cmp.Or(given.Host, given.URL.Host), RemoteAddr: cmp.Or(given.RemoteAddr, "127.0.0.1:0"), TLS: given.TLS,
	}
	if r.ProtoMajor == 0 {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if u := given.URL.User; u != nil && r.Header.Get("Authorization") == "" {
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
	if r.TLS == nil && given.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: given.URL.Hostname()}
	}
	if given.Body == nil || given.Body == http.NoBody {
		r.Body = http.NoBody
		return r.WithContext(ctx), nil
	}
	if r.ContentLength == 0 {
		r.ContentLength = -1 // what 0 means of a client's request with a body: not known
	}
	if given.GetBody != nil {
		r.Body, err = given.GetBody()
	}
	return r.WithContext(ctx), err
}

// warmWriter counts an answer and forgets it. It fails, as a connection does, when its client is gone: there are
// handlers that write until then.
type warmWriter struct {
	ctx    context.Context
	header http.Header
	head   bool
	status int      // 0 before the status is written
	said   []string // Cache-Status, as it stood then
	bytes  int64
}

func (w *warmWriter) Header() http.Header { return w.header }

func (w *warmWriter) WriteHeader(code int) {
	if code < 100 || code > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", code)) // net/http's words
	}
	if w.status != 0 || code < 200 && code != http.StatusSwitchingProtocols {
		return
	}
	w.status = code
	w.said = slices.Clone(w.header["Cache-Status"])
}

func (w *warmWriter) Write(p []byte) (int, error) {
	w.finish()
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.status < 200 || w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	if !w.head {
		w.bytes += int64(len(p))
	}
	return len(p), nil
}

func (w *warmWriter) Flush() { w.finish() }

// finish writes the status of a handler that has not done so itself.
func (w *warmWriter) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
}
