package output_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// A request that the cache must not answer passes by, untouched, and is told why.
func TestBypass(t *testing.T) {
	t.Parallel()
	base := output.For(time.Minute)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	user := output.Config{User: func(r *http.Request) string { return r.Header.Get("X-User") }}
	values := output.Config{Values: map[string]func(*http.Request) string{
		"tenant": func(r *http.Request) string { return r.Header.Get("X-Tenant") },
	}}
	for name, row := range map[string]struct {
		config output.Config
		policy output.Policy
		change func(*http.Request)
		reason string
	}{
		"a body":                  {output.Config{}, base, func(r *http.Request) { r.ContentLength = 1 }, "body"},
		"a body of unknown size":  {output.Config{}, base, func(r *http.Request) { r.ContentLength = -1 }, "body"},
		"a chunked body":          {output.Config{}, base, func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, "body"},
		"an upgrade":              {output.Config{}, base, header("Upgrade", "websocket"), "upgrade"},
		"a range":                 {output.Config{}, base, header("Range", "bytes=0-1"), "range"},
		"if it matches":           {output.Config{}, base, header("If-Match", `"a"`), "precondition"},
		"if it is unchanged":      {output.Config{}, base, header("If-Unmodified-Since", "x"), "precondition"},
		"another method":          {output.Config{}, base, header("X-Http-Method-Override", "DELETE"), "method-override"},
		"another method, again":   {output.Config{}, base, header("X-Method-Override", "DELETE"), "method-override"},
		"events":                  {output.Config{}, base, header("Accept", "text/event-stream"), "event-stream"},
		"a policy that is off":    {output.Config{}, output.Off(), func(*http.Request) {}, "policy-off"},
		"authorization":           {output.Config{}, base, header("Authorization", "secret"), "identity-unknown:authorization"},
		"a key of an API":         {output.Config{}, base, header("X-Api-Key", "secret"), "identity-unknown:x-api-key"},
		"a proxy's word":          {output.Config{}, base, header("X-Forwarded-User", "secret"), "identity-unknown:x-forwarded-user"},
		"declared and not":        {output.Config{}, base.VaryHeader("Remote-User"), twoUsers, "identity-unknown:x-user-id"},
		"a cookie":                {output.Config{}, base, header("Cookie", "_ga=1; session=secret"), "identity-unknown:session"},
		"a cookie of odd name":    {output.Config{}, base, header("Cookie", "a[b]=secret"), "identity-unknown"},
		"a certificate":           {output.Config{}, base, certificate, "identity-unknown:client-certificate"},
		"a known user":            {user, base, header("X-User", "u"), "signed-in"},
		"nobody":                  {user, base.PerUser(), func(*http.Request) {}, "no-user"},
		"an empty value":          {values, base.VaryValue("tenant"), func(*http.Request) {}, "no-value"},
		"a tag without its value": {values, base.Tag("t:{tenant}"), func(*http.Request) {}, "tag"},
		"a tag without a name":    {values, base.Tag("t:{nobody}"), func(*http.Request) {}, "tag"},
		"a key too long":          {output.Config{}, base, func(r *http.Request) { r.URL.RawQuery = strings.Repeat("x", 9000) }, "key-too-long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, row.config, row.policy, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.Header.Get("X-Seen"))
			})
			for range 2 {
				r := httptest.NewRequest(http.MethodGet, "/page", http.NoBody)
				r.Header.Set("X-Seen", "everything")
				row.change(r)
				w := httptest.NewRecorder()
				p.ServeHTTP(w, r)
				if said := w.Header().Get("Cache-Status"); said != "echocache; fwd=bypass; detail="+row.reason {
					t.Errorf("Cache-Status: %s", said)
				}
				if w.Body.String() != "everything" || strings.Contains(w.Header().Get("Cache-Status"), "secret") {
					t.Errorf("%q", w.Body)
				}
			}
		})
	}
}

func twoUsers(r *http.Request) {
	r.Header.Set("Remote-User", "secret")
	r.Header.Set("X-User-Id", "secret")
}

func certificate(r *http.Request) {
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
}

// What bypasses a policy in general need not bypass one that knows about it.
func TestNoBypass(t *testing.T) {
	t.Parallel()
	base := output.For(time.Minute)
	for name, row := range map[string]struct {
		policy output.Policy
		name   string
		value  string
	}{
		"a public page, authorization": {base.Public(), "Authorization", "x"},
		"a public page, a cookie":      {base.Public(), "Cookie", "session=1"},
		"a declared cookie":            {base.VaryCookie("lang"), "Cookie", "lang=de"},
		"a cookie of an analyst":       {base, "Cookie", "_ga_ABC=1; __utmz=2"},
		"a client that wants no cache": {base, "Cache-Control", "no-cache, no-store, only-if-cached"},
		"one that wants it old":        {base, "Pragma", "no-cache"},
	} {
		p := serve(t, output.Config{}, row.policy, slow(0))
		ask(p, http.MethodGet, row.name, row.value)
		if said := ask(p, http.MethodGet, row.name, row.value).Header().Get("Cache-Status"); !strings.Contains(said, "hit") {
			t.Errorf("%s: %s", name, said)
		}
	}
}

func TestSetEnabled(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute).Tag("a"), slow(0))
	ask(p, http.MethodGet)
	p.cache.SetEnabled(false)
	if said := ask(p, http.MethodGet).Header().Get("Cache-Status"); said != "echocache; fwd=bypass; detail=off" {
		t.Error(said)
	}
	if err := p.cache.Evict(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	p.cache.SetEnabled(true)
	if said := ask(p, http.MethodGet).Header().Get("Cache-Status"); !strings.Contains(said, "uri-miss; stored") {
		t.Errorf("what was evicted while it was off is there: %s", said)
	}
}
