package output_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// dump writes down all that a handler can read of a request.
func dump(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	_ = r.ParseForm()
	identity := ""
	if r.TLS != nil {
		identity = fmt.Sprint(len(r.TLS.PeerCertificates), r.TLS.ServerName)
	}
	return fmt.Sprintf("%s %s %s host=%s uri=%s form=%v header=%v cookies=%v addr=%s proto=%s tls=%s body=%q user=%v trailer=%v",
		r.Method, r.URL.Path, r.URL.RawQuery, r.Host, r.RequestURI, r.Form, r.Header, r.Cookies(), r.RemoteAddr, r.Proto, identity,
		body, r.URL.User, r.Trailer)
}

// hiddenInputs are what is in no key. Whatever a client puts there, the handler must see the same request.
func hiddenInputs() map[string]func(*http.Request) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	inputs := map[string]func(*http.Request){
		"a parameter":   func(r *http.Request) { r.URL.RawQuery = "q=1&secret=1" },
		"a twin":        func(r *http.Request) { r.URL.RawQuery = "q=1&Q=2&%51=3" },
		"a semicolon":   func(r *http.Request) { r.URL.RawQuery = "q=1&x;q=2" },
		"the address":   func(r *http.Request) { r.RemoteAddr = "203.0.113.9:1" },
		"the protocol":  func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0 },
		"the target":    func(r *http.Request) { r.RequestURI = "http://other.example/page?q=1#x" },
		"a URL's user":  func(r *http.Request) { r.URL.User = url.UserPassword("secret", "secret") },
		"a URL's host":  func(r *http.Request) { r.URL.Host = "other.example" },
		"a body":        func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("secret=1")) },
		"a form":        func(r *http.Request) { r.Form = url.Values{"secret": {"1"}} },
		"a trailer":     func(r *http.Request) { r.Trailer = http.Header{"X-Secret": {"1"}} },
		"closing":       func(r *http.Request) { r.Close = true },
		"other cookies": header("Cookie", "session=secret; a=b"),
		"markup traced": header("X-Request-Id", `"><script>`),
		"a long trace":  header("Traceparent", strings.Repeat("0", 513)),
		"two traces":    func(r *http.Request) { r.Header["X-Request-Id"] = []string{"1", "2"} },
		"lines of none": func(r *http.Request) { r.Header["X-Secret"] = []string{} },
	}
	for _, name := range []string{
		"Authorization", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "X-Original-Url",
		"X-Rewrite-Url", "User-Agent", "Referer", "Origin", "Accept", "Accept-Encoding", "Accept-Charset", "If-None-Match",
		"Cache-Control", "X-Secret", "Content-Type", "Te", "Dnt", "Sec-Fetch-Site", "X-Csrf-Token",
	} {
		inputs[name] = header(name, "secret")
	}
	return inputs
}

// shown returns what a handler sees of a request with one more input.
type shown func(t *testing.T, change func(*http.Request)) string

// leaks returns the inputs that reach the handler.
func leaks(t *testing.T, see shown) (names []string) {
	t.Helper()
	want := see(t, func(*http.Request) {})
	for name, change := range hiddenInputs() {
		if see(t, change) != want {
			names = append(names, name)
		}
	}
	return names
}

func inputRequest(change func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/page?q=1", http.NoBody)
	r.Header.Set("Accept-Language", "en")
	change(r)
	return r
}

// cachedView is what is seen through the cache, with a new cache for each request, so that each one fills.
func cachedView(t *testing.T, change func(*http.Request)) string {
	t.Helper()
	cache := newCache(t, output.Config{})
	policy := output.For(time.Minute).Public().VaryHeader("Accept-Language").VaryQuery("q").VaryCookie("lang")
	w := httptest.NewRecorder()
	cache.Handler(policy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, dump(r))
	})).ServeHTTP(w, inputRequest(change))
	if said := w.Header().Get("Cache-Status"); !strings.Contains(said, "stored") {
		t.Errorf("it was not filled: %s", said)
	}
	return w.Body.String()
}

func TestI3_WhatIsNotInTheKeyDoesNotReachThePage(t *testing.T) {
	t.Parallel()
	if names := leaks(t, cachedView); len(names) > 0 {
		t.Errorf("these reach the page: %q", names)
	}
	// What is in the key is seen, or the test above would prove nothing.
	plain := cachedView(t, func(*http.Request) {})
	for name, change := range map[string]func(*http.Request){
		"the parameter": func(r *http.Request) { r.URL.RawQuery = "q=2" },
		"the header":    func(r *http.Request) { r.Header.Set("Accept-Language", "de") },
		"the cookie":    func(r *http.Request) { r.Header.Set("Cookie", "lang=de; other=1") },
		"the host":      func(r *http.Request) { r.Host = "other.example" },
		"a trace":       func(r *http.Request) { r.Header.Set("Traceparent", "00-1") },
	} {
		if cachedView(t, change) == plain {
			t.Errorf("%s is hidden", name)
		}
	}
}

// TestI3_MutantsAreCaught forgets to hide one thing each.
func TestI3_MutantsAreCaught(t *testing.T) {
	t.Parallel()
	for want, forget := range map[string]func(hidden, original *http.Request){
		"X-Forwarded-Host": func(h, o *http.Request) { copyHeader(h, o, "X-Forwarded-Host") },
		"other cookies":    func(h, o *http.Request) { copyHeader(h, o, "Cookie") },
		"a parameter":      func(h, o *http.Request) { h.URL.RawQuery = o.URL.RawQuery },
		"the address":      func(h, o *http.Request) { h.RemoteAddr = o.RemoteAddr },
		"the target":       func(h, o *http.Request) { h.RequestURI = o.RequestURI },
		"a form":           func(h, o *http.Request) { h.Form = o.Form },
		"the protocol":     func(h, o *http.Request) { h.Proto = o.Proto },
		"a body":           func(h, o *http.Request) { h.Body = o.Body },
	} {
		mutant := func(t *testing.T, change func(*http.Request)) string {
			t.Helper()
			original := inputRequest(change)
			view := ""
			cache := newCache(t, output.Config{})
			policy := output.For(time.Minute).Public().VaryHeader("Accept-Language").VaryQuery("q").VaryCookie("lang")
			cache.Handler(policy, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				forget(r, original)
				view = dump(r)
			})).ServeHTTP(httptest.NewRecorder(), inputRequest(change))
			return view
		}
		if names := leaks(t, mutant); !slices.Contains(names, want) {
			t.Errorf("a cache that does not hide %s is not noticed", want)
		}
	}
}

func copyHeader(to, from *http.Request, name string) {
	if lines := from.Header[name]; len(lines) > 0 {
		to.Header[name] = lines
	}
}

// Who is at the other end of a TLS connection is hidden; that there is one is in the key.
func TestI3_TLSIdentityIsHidden(t *testing.T) {
	t.Parallel()
	secure := func(r *http.Request) { r.TLS = &tls.ConnectionState{ServerName: "shop.example"} }
	named := func(r *http.Request) {
		secure(r)
		r.TLS.PeerCertificates = []*x509.Certificate{{}}
	}
	if d := cmp.Diff(cachedView(t, secure), cachedView(t, named)); d != "" {
		t.Error(d)
	}
	if cachedView(t, secure) == cachedView(t, func(*http.Request) {}) {
		t.Error("TLS itself is hidden")
	}
}

// The request that the client sent is the same afterwards.
func TestInputsAreNotChanged(t *testing.T) {
	t.Parallel()
	r := inputRequest(func(r *http.Request) { r.Header.Set("X-Secret", "1") })
	want := fmt.Sprint(r.URL, r.Header, r.RemoteAddr, r.RequestURI)
	newCache(t, output.Config{}).Handler(output.For(time.Minute).VaryQuery(), http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Mine", "1")
			r.URL.Path = "/elsewhere"
			_, _ = io.WriteString(w, "page")
		})).ServeHTTP(httptest.NewRecorder(), r)
	if got := fmt.Sprint(r.URL, r.Header, r.RemoteAddr, r.RequestURI); got != want {
		t.Errorf("it was\n%s\nand is\n%s", want, got)
	}
}
