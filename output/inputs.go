package output

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// shownHeaders are the request headers that a handler sees although no policy declares them: they trace a request and do
// not choose what it is answered. A client chooses them all the same, so only what looks like an id is shown.
var shownHeaders = []string{"Traceparent", "Tracestate", "X-Request-Id"}

// traces reports whether lines may be what traces a request: one line, and nothing by which a page could be written.
func traces(lines []string) bool {
	return len(lines) == 1 && len(lines[0]) <= 512 && !strings.ContainsAny(lines[0], "<>\"'`&\\")
}

// hiddenAddr stands for the client's address, which is no part of the key.
const hiddenAddr = "127.0.0.1:0"

// restrict returns the request as the handler sees it while a page is filled: what is in the key and nothing else
// (I-3). query is the canonical query that the key holds.
func (m *Mount) restrict(ctx context.Context, r *http.Request, query, scheme string) *http.Request {
	s := r.WithContext(ctx)
	s.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query}
	s.RequestURI = s.URL.RequestURI()
	s.Header = m.shown(r.Header)
	if scheme == "https" && r.TLS == nil {
		// TLS ended at a proxy in front, and the door believes it: the scheme is in the key.
		s.Header["X-Forwarded-Proto"] = []string{scheme}
	}
	s.TLS = withoutIdentity(r.TLS)
	s.RemoteAddr = hiddenAddr
	s.Proto, s.ProtoMajor, s.ProtoMinor = "HTTP/1.1", 1, 1
	s.Body, s.GetBody = http.NoBody, nil
	s.Form, s.PostForm, s.MultipartForm = nil, nil, nil
	s.Trailer, s.Close = nil, false
	return s
}

func (m *Mount) shown(all http.Header) http.Header {
	some := make(http.Header, len(shownHeaders)+len(m.policy.headers)+1)
	for _, name := range shownHeaders {
		if lines := all[name]; traces(lines) {
			some[name] = slices.Clone(lines)
		}
	}
	for _, name := range m.policy.headers {
		if lines := all[name]; len(lines) > 0 {
			some[name] = slices.Clone(lines)
		}
	}
	if len(m.policy.cookies) == 0 {
		return some
	}
	var kept []string
	for c := range cookies(all["Cookie"]) {
		if slices.Contains(m.policy.cookies, c.name) {
			kept = append(kept, c.text)
		}
	}
	if len(kept) > 0 {
		some["Cookie"] = []string{strings.Join(kept, "; ")}
	}
	return some
}

// showConditions shows a handler, whose answer nobody else gets, what the client has already. It may answer with a 304:
// of a page that is kept the cache does that itself, and of a file too large to keep only the handler can.
func showConditions(shown, all http.Header) {
	for _, name := range [...]string{"If-None-Match", "If-Modified-Since"} {
		if lines := all[name]; len(lines) > 0 {
			shown[name] = slices.Clone(lines)
		}
	}
}

// withoutIdentity returns what a TLS connection is, less who is at its other end.
func withoutIdentity(s *tls.ConnectionState) *tls.ConnectionState {
	if s == nil {
		return nil
	}
	return &tls.ConnectionState{
		Version: s.Version, HandshakeComplete: s.HandshakeComplete, CipherSuite: s.CipherSuite,
		ServerName: s.ServerName,
	}
}

// reveal returns seen, a request that came from restrict and may have been changed since, with everything put back
// that original has and restrict hid. What was added to it since stays.
func reveal(seen, original *http.Request) *http.Request {
	r := seen.WithContext(seen.Context())
	r.Header = original.Header.Clone()
	for name, lines := range seen.Header {
		if name != "Cookie" {
			r.Header[name] = lines
		}
	}
	r.URL, r.RequestURI = original.URL, original.RequestURI
	r.TLS, r.RemoteAddr = original.TLS, original.RemoteAddr
	r.Proto, r.ProtoMajor, r.ProtoMinor = original.Proto, original.ProtoMajor, original.ProtoMinor
	r.Body, r.GetBody = original.Body, original.GetBody
	r.Form, r.PostForm, r.MultipartForm = original.Form, original.PostForm, original.MultipartForm
	r.Trailer, r.Close = original.Trailer, original.Close
	return r
}
