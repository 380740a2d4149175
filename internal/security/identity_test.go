package security_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// identity is a way in which applications know who is asking.
type identity struct {
	name string
	// as has a request come from somebody.
	as func(r *http.Request, who string)
	// outer is authentication: it stands outside of the cache.
	outer echo.MiddlewareFunc
	// shown is what a handler shows of it.
	shown func(c echo.Context) string
}

var identities = []identity{
	{"JWT claims through c.Get", bearer, claims, func(c echo.Context) string {
		said, _ := c.Get("user").(map[string]string)
		return said["sub"]
	}},
	{"a session outside", sessionCookie, sessions, func(c echo.Context) string {
		s, _ := c.Get("session").(*session)
		if s == nil {
			return ""
		}
		return s.user
	}},
	{"a key of an API", apiKey, keys, user},
	{"a proxy that signs people in", func(r *http.Request, who string) {
		if who != "" {
			r.Header.Set("X-Forwarded-User", who)
		}
	}, signIn(func(r *http.Request) string { return r.Header.Get("X-Forwarded-User") }), user},
	{"a client certificate", certificate, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Set("user", commonName(c.Request()))
			return next(c)
		}
	}, user},
	{"a context type of the application's", bearer, func(next echo.HandlerFunc) echo.HandlerFunc {
		return claims(func(c echo.Context) error {
			said, _ := c.Get("user").(map[string]string)
			return next(&account{c, said["sub"]})
		})
	}, func(c echo.Context) string { return c.(*account).owner }},
}

// account is an application's own context type.
type account struct {
	echo.Context

	owner string
}

type session struct{ user, id string }

func sessionCookie(r *http.Request, who string) {
	if who != "" {
		r.AddCookie(&http.Cookie{Name: "sid", Value: "of-" + who})
	}
}

// sessions begins a session where there is none, as session middlewares do.
func sessions(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		s := &session{id: fmt.Sprint("new-", unique.Add(1))}
		if cookie, err := c.Cookie("sid"); err == nil {
			s.id = cookie.Value
			s.user = strings.TrimPrefix(cookie.Value, "of-")
		} else {
			c.SetCookie(&http.Cookie{Name: "sid", Value: s.id})
		}
		c.Set("session", s)
		return next(c)
	}
}

func apiKey(r *http.Request, who string) {
	if who != "" {
		r.Header.Set("X-Api-Key", "key-of-"+who)
	}
}

var keys = signIn(func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("X-Api-Key"), "key-of-") })

func certificate(r *http.Request, who string) {
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if who != "" {
		r.TLS.PeerCertificates = []*x509.Certificate{{Subject: pkix.Name{CommonName: who}}}
	}
}

func commonName(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	return r.TLS.PeerCertificates[0].Subject.CommonName
}

func signature(text string) string {
	m := hmac.New(sha256.New, []byte("secret"))
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// bearer signs a token as RFC 7519 has it, with HS256.
func bearer(r *http.Request, who string) {
	if who == "" {
		return
	}
	said, _ := json.Marshal(map[string]string{"sub": who})
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(said)
	r.Header.Set("Authorization", "Bearer "+text+"."+signature(text))
}

func claims(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		token := strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Bearer ")
		if i := strings.LastIndexByte(token, '.'); i > 0 && hmac.Equal([]byte(signature(token[:i])), []byte(token[i+1:])) {
			var said map[string]string
			text, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
			if json.Unmarshal(text, &said) == nil {
				c.Set("user", said)
			}
		}
		return next(c)
	}
}

// everyone asks for the same page in turns and returns who was shown another's, and how many answers came from the cache.
func everyone(t *testing.T, e http.Handler, id identity) (wrong []string, hits int) {
	t.Helper()
	for range 2 {
		for _, who := range []string{"", "ada", "bob", "ada", ""} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/me", http.NoBody)
			id.as(r, who)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if want := "for <" + who + ">"; w.Body.String() != want {
				wrong = append(wrong, want+" got "+w.Body.String())
			}
			if hit := kept(w); hit {
				hits++
			}
		}
	}
	return wrong, hits
}

// TestI4_Identities names I-4: however an application knows who is asking, nobody is shown what is another's, whether or not
// Config.User is set. What each mount answers from the cache tells that it was not simply off.
func TestI4_Identities(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, kind, nil, true, 64<<20)
			for _, id := range identities {
				for _, row := range []struct {
					name   string
					user   func(echo.Context) string
					policy output.Policy
					hits   int // of ten answers
				}{
					{"nobody can tell", nil, output.For(ages), 3},
					{"for nobody in particular", id.shown, output.For(ages), 3},
					{"each user's own", id.shown, output.For(ages).PerUser(), 4},
					// The mutants: what the application says is not so, and everyone has to notice.
					{"a mutant: all are one", func(echo.Context) string { return "one" }, output.For(ages).PerUser(), -1},
					{"a mutant: said to be public", id.shown, output.For(ages).Public(), -1},
					{"a mutant: nobody is ever signed in", func(echo.Context) string { return "" }, output.For(ages), -1},
				} {
					// Each has a store of its own: the policies of some are the same.
					own := *s
					own.namespace += fmt.Sprint("-", namespaces.Add(1))
					e, cache := site(t, &own, echocache.Config{User: row.user})
					e.GET("/me", func(c echo.Context) error { return c.String(http.StatusOK, "for <"+id.shown(c)+">") },
						id.outer, cache.Output(row.policy))
					wrong, hits := everyone(t, e, id)
					switch {
					case row.hits < 0 && len(wrong) == 0:
						t.Errorf("%s, %s: went unnoticed", id.name, row.name)
					case row.hits >= 0 && (len(wrong) > 0 || hits != row.hits):
						t.Errorf("%s, %s: %d hits, want %d; %q", id.name, row.name, hits, row.hits, wrong)
					}
				}
			}
		})
	}
}

// TestI3_WhatASessionIs names I-3: what the context holds of one client is the application's to name. If it does, it is
// hidden, and the cookie of a session that begins is its client's own. If it does not, it is shown to all: that is the duty
// that SECURITY-MODEL speaks of.
func TestI3_WhatASessionIs(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{true, false} {
		config := echocache.Config{}
		if named {
			config.PerClient = []string{"csrf", "session"}
		}
		e, cache := site(t, newStand(t, "memstore", nil, false, 1<<20), config)
		e.GET("/", func(c echo.Context) error {
			s, _ := c.Get("session").(*session)
			return c.String(http.StatusOK, fmt.Sprintf("%v", s))
		}, sessions, cache.Output(output.For(ages)))
		first, second := sent(t, e, http.MethodGet, "/"), sent(t, e, http.MethodGet, "/")
		id := strings.TrimPrefix(first.Header().Get("Set-Cookie"), "sid=")
		if other := second.Header().Get("Set-Cookie"); id == "" || other == "" || other == "sid="+id {
			t.Errorf("named %t: cookies %q and %q", named, id, other)
		}
		if leaked := strings.Contains(second.Body.String(), id); leaked == named {
			t.Errorf("named %t: the second client got %q, the session of the first is %q", named, second.Body, id)
		}
	}
}

// TestI4_Tenants names I-4: a tenant is a value, and a page of one is not shown to another. Nobody's bypasses.
func TestI4_Tenants(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, kind, nil, true, 64<<20)
			e, cache := site(t, s, echocache.Config{Values: map[string]func(echo.Context) string{
				"tenant": user,
			}})
			page := func(c echo.Context) error { return c.String(http.StatusOK, "of <"+user(c)+">") }
			outer := signIn(func(r *http.Request) string { return r.Header.Get("X-Tenant") })
			e.GET("/declared", page, outer, cache.Output(output.For(ages).VaryValue("tenant").Tag("{tenant}")))
			e.GET("/mutant", page, outer, cache.Output(output.For(ages)))
			e.POST("/declared", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, outer, cache.Evict("{tenant}"))
			tenants := []string{"acme", "acme2", "acme|2", "", "Acme"}
			ask := func(path string) (wrong, hits int) {
				for _, tenant := range tenants {
					w := sent(t, e, http.MethodGet, path, "X-Tenant: "+tenant)
					if w.Body.String() != "of <"+tenant+">" {
						wrong++
					}
					if hit := kept(w); hit {
						hits++
					}
				}
				return wrong, hits
			}
			for turn, want := range []int{0, 4} {
				if wrong, hits := ask("/declared"); wrong > 0 || hits != want {
					t.Errorf("turn %d: %d wrong, %d hits", turn, wrong, hits)
				}
			}
			sent(t, e, http.MethodPost, "/declared", "X-Tenant: acme")
			if wrong, hits := ask("/declared"); wrong > 0 || hits != 3 {
				t.Errorf("after a write of one: %d wrong, %d hits", wrong, hits)
			}
			if wrong, _ := ask("/mutant"); wrong == 0 {
				t.Error("a tenant that is not declared went unnoticed")
			}
		})
	}
}
