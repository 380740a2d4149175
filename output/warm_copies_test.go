package output_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// openBody says whether it was closed.
type openBody struct {
	io.Reader

	closed bool
}

func (b *openBody) Close() error { b.closed = true; return nil }

// The application sees what a server would give it, and what it does to it does not reach the request given.
func TestWarmRequestsAreCopies(t *testing.T) {
	t.Parallel()
	var saw *http.Request
	var body string
	app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body, saw = string(text), r.Clone(r.Context())
		saw.TLS = r.TLS
		r.Header.Set("X-A", "changed")
		r.Header.Add("X-B", "b")
		r.URL.Path, r.URL.RawQuery, r.Host, r.Method, r.Body = "/changed", "changed", "changed", "CHANGED", nil
	})
	given := asking(t, "/a%2Fb/c%20d?x=%2f#part")[0]
	given.URL.Scheme = "https"
	given.Header.Set("X-A", "a")
	shown := func() string {
		return fmt.Sprint(given.Method, given.URL, given.Host, given.Header, given.Body, given.TLS, given.RequestURI, given.RemoteAddr, given.Pattern)
	}
	before := shown()
	warm(t, app, []*http.Request{given}, output.WarmConfig{})
	if d := cmp.Diff(before, shown()); d != "" {
		t.Errorf("-before +after\n%s", d)
	}
	if saw.RequestURI != "/a%2Fb/c%20d?x=%2f" || saw.URL.String() != saw.RequestURI || saw.URL.Path != "/a/b/c d" || saw.Host != "shop.example" ||
		saw.RemoteAddr != "127.0.0.1:0" || saw.Proto != "HTTP/1.1" || saw.TLS == nil || saw.TLS.ServerName != "shop.example" || saw.Header.Get("X-A") != "a" {
		t.Errorf("%+v", saw)
	}

	// The least that there can be.
	warm(t, app, []*http.Request{{URL: given.URL, Host: "other.example"}}, output.WarmConfig{})
	if saw.Method != http.MethodGet || saw.Host != "other.example" || saw.Proto != "HTTP/1.1" || saw.ProtoMinor != 1 || saw.ContentLength != 0 {
		t.Errorf("%+v", saw)
	}
	// What is there stays.
	warm(t, app, []*http.Request{{
		URL: given.URL, Host: "other.example", RemoteAddr: "10.0.0.1:1", Proto: "HTTP/2.0", ProtoMajor: 2, TLS: &tls.ConnectionState{ServerName: "x"},
	}}, output.WarmConfig{})
	if saw.RemoteAddr != "10.0.0.1:1" || saw.Proto != "HTTP/2.0" || saw.TLS.ServerName != "x" {
		t.Errorf("%+v", saw)
	}

	// A body is sent as often as it can be opened.
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://shop.example", strings.NewReader("text"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if warm(t, app, []*http.Request{post}, output.WarmConfig{}); body != "text" || saw.ContentLength != 4 || saw.URL.Path != "/" {
			t.Errorf("%q %+v", body, saw)
		}
	}
	once := &openBody{Reader: strings.NewReader("text")}
	unsized := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { saw = r })
	warm(t, unsized, []*http.Request{{URL: given.URL, Host: "a", Body: once}}, output.WarmConfig{})
	if !once.closed || saw.ContentLength != -1 {
		t.Errorf("closed %v, length %d", once.closed, saw.ContentLength)
	}
	post.GetBody = func() (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
	if r := warm(t, app, []*http.Request{post}, output.WarmConfig{}).Results[0]; !errors.Is(r.Err, io.ErrClosedPipe) || r.Reason != "error" || r.Status != 0 {
		t.Error(told(r))
	}
}
