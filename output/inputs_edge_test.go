package output_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// What middleware may have read of a request already, and what TLS says of who sent it, does not reach the page. None of
// it has a text of its own in the request, so the handler looks for each.
func TestI3_WhatWasReadAlreadyIsHidden(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		put func(*http.Request)
		see func(*http.Request) bool
	}{
		"a form": {
			func(r *http.Request) { r.Form = url.Values{"a": {"1"}} },
			func(r *http.Request) bool { return r.Form != nil },
		},
		"a posted form": {
			func(r *http.Request) { r.PostForm = url.Values{"a": {"1"}} },
			func(r *http.Request) bool { return r.PostForm != nil },
		},
		"a form in parts": {
			func(r *http.Request) { r.MultipartForm = &multipart.Form{} },
			func(r *http.Request) bool { return r.MultipartForm != nil },
		},
		"a body to be read again": {
			func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil } },
			func(r *http.Request) bool { return r.GetBody != nil },
		},
		"a wish to close": {
			func(r *http.Request) { r.Close = true }, func(r *http.Request) bool { return r.Close },
		},
		"a resumed session": {
			func(r *http.Request) { r.TLS = &tls.ConnectionState{DidResume: true} },
			func(r *http.Request) bool { return r.TLS.DidResume },
		},
		"a certificate": {
			func(r *http.Request) { r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}} },
			func(r *http.Request) bool { return r.TLS.PeerCertificates != nil },
		},
		"a chain of them": {
			func(r *http.Request) { r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}} },
			func(r *http.Request) bool { return r.TLS.VerifiedChains != nil },
		},
		"what binds to the connection": {
			func(r *http.Request) { r.TLS = &tls.ConnectionState{TLSUnique: []byte("1")} },
			func(r *http.Request) bool { return r.TLS.TLSUnique != nil },
		},
		"the protocol within TLS": {
			func(r *http.Request) { r.TLS = &tls.ConnectionState{NegotiatedProtocol: "h2"} },
			func(r *http.Request) bool { return r.TLS.NegotiatedProtocol != "" },
		},
	} {
		seen := false
		h := newCache(t, output.Config{}).Handler(output.For(time.Minute).Public(), http.HandlerFunc(
			func(_ http.ResponseWriter, r *http.Request) { seen = row.see(r) }))
		r := httptest.NewRequest(http.MethodGet, "/page", http.NoBody)
		row.put(r)
		if !row.see(r) {
			t.Errorf("%s: the test cannot see it", name)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if seen || !row.see(r) {
			t.Errorf("%s: the handler sees it (%v), or it is lost to the client's request", name, seen)
		}
	}
}

// A GET with a body bypasses: its handler reads all of it, each time.
func TestI3_AGetWithABodyBypasses(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	for i := range 3 {
		body := fmt.Sprintf("body %d", i)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", strings.NewReader(body)))
		if said := w.Header().Get("Cache-Status"); w.Body.String() != body || said != "echocache; fwd=bypass; detail=body" {
			t.Errorf("%q is answered with %q, %s", body, w.Body, said)
		}
	}
}
