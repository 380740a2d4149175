package middleware_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// whoami answers with who asked, under whatever name authentication has left in the header.
func whoami(c echo.Context) error {
	return c.String(http.StatusOK, "for <"+c.Get("name").(string)+">")
}

// authenticate is the application's own authentication: it stands outside of every cache.
func authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set("name", userFromHeader(c))
		return next(c)
	}
}

// misdelivered asks for one page as several users and as nobody, twice round, and returns who got another's answer.
func misdelivered(t *testing.T, cached echo.MiddlewareFunc) (found []string, verdicts []string) {
	t.Helper()
	e := newEcho()
	e.GET("/me", whoami, authenticate, cached)
	for range 2 {
		for _, user := range []string{"ada", "bob", ""} {
			w := get(t, e, "/me", "X-User: "+user)
			if want := "for <" + user + ">"; w.Body.String() != want {
				found = append(found, fmt.Sprintf("%q got %q", user, w.Body))
			}
			verdicts = append(verdicts, verdict(w))
		}
	}
	return found, verdicts
}

// TestIdentity names I-4: who gets what under each kind of policy.
func TestIdentity(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		policy output.Policy
		want   string // verdicts of ada, bob and nobody, twice
	}{
		{
			"shared", output.For(hour),
			"bypass:signed-in bypass:signed-in stored bypass:signed-in bypass:signed-in hit",
		},
		{
			"per user", output.For(hour).PerUser(),
			"stored stored bypass:no-user hit hit bypass:no-user",
		},
		{
			"off", output.Off(),
			strings.TrimSpace(strings.Repeat("bypass:policy-off ", 6)),
		},
	} {
		cache := newCache(t, echocache.Config{User: userFromHeader})
		found, verdicts := misdelivered(t, cache.Output(row.policy))
		if len(found) > 0 {
			t.Errorf("%s: %q", row.name, found)
		}
		if got := strings.Join(verdicts, " "); got != row.want {
			t.Errorf("%s: %s\nwant %s", row.name, got, row.want)
		}
	}
}

// TestIdentityMutants: a User function that says the same of all, one that knows nobody, and a page that is called
// public although it is not are what the assertion above must find.
func TestIdentityMutants(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		user   func(echo.Context) string
		policy output.Policy
	}{
		{"everybody is the same user", func(echo.Context) string { return "somebody" }, output.For(hour).PerUser()},
		{"nobody is ever signed in", func(echo.Context) string { return "" }, output.For(hour)},
		{"a private page called public", userFromHeader, output.For(hour).Public()},
	} {
		cache := newCache(t, echocache.Config{User: row.user})
		if found, _ := misdelivered(t, cache.Output(row.policy)); len(found) == 0 {
			t.Errorf("%s: went unnoticed", row.name)
		}
	}
}

// TestPublicIsForTheSignedInToo: that is what Public says.
func TestPublicIsForTheSignedInToo(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{User: userFromHeader})
	e := newEcho()
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "news") }, cache.Output(output.For(hour).Public()))
	wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/", "X-User: ada", "Cookie: sid=1") }, "stored", "hit")
	wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/", "X-User: bob", "Authorization: x") }, "hit")
}

// TestPerUserUsersAreNotConfused: ids that only differ where a careless key would not.
func TestPerUserUsersAreNotConfused(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{User: userFromHeader})
	e := newEcho()
	e.GET("/me", whoami, authenticate, cache.Output(output.For(hour).PerUser()))
	users := []string{"a", "A", "a ", "a:b", "a\x00", "aa", "a|b", "á"}
	for round, want := range []string{"stored", "hit"} {
		for _, user := range users {
			r := request(t, http.MethodGet, "/me")
			r.Header["X-User"] = []string{user}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if w.Body.String() != "for <"+user+">" || verdict(w) != want {
				t.Errorf("round %d: %q got %q, %s", round, user, w.Body, verdict(w))
			}
		}
	}
}

// TestUnknownIdentityBypasses names I-4: an application that cannot tell who is asking shows nobody what was made for
// somebody. The detail names the cookie, and never its value.
func TestUnknownIdentityBypasses(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	certificate := func(r *http.Request) {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
	}
	for _, row := range []struct {
		name    string
		headers []string
		change  func(*http.Request)
		want    string
	}{
		{"nothing", nil, nil, "hit"},
		{"authorization", []string{"Authorization: Bearer " + secret}, nil, "bypass:identity-unknown:authorization"},
		{"empty authorization", []string{"Authorization: "}, nil, "bypass:identity-unknown:authorization"},
		{"certificate", nil, certificate, "bypass:identity-unknown:client-certificate"},
		{"tls without certificate", nil, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, "stored"}, // https is another page
		{"session cookie", []string{"Cookie: sid=" + secret}, nil, "bypass:identity-unknown:sid"},
		{"second line", []string{"Cookie: _ga=1", "Cookie: sid=" + secret}, nil, "bypass:identity-unknown:sid"},
		{"analytics", []string{"Cookie: _ga=" + secret + "; _ga_X1=1; _pk_id.1=2"}, nil, "hit"},
		{"declared", []string{"Cookie: theme=dark"}, nil, "stored"},
		{"declared and not", []string{"Cookie: theme=dark; sid=" + secret}, nil, "bypass:identity-unknown:sid"},
		{"odd name", []string{"Cookie: a[b]=" + secret}, nil, "bypass:identity-unknown"}, // no token, so not named
		{"name is all", []string{"Cookie: " + secret + "@"}, nil, "bypass:identity-unknown"},
	} {
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "page") },
			cache.Output(output.For(hour).VaryCookie("theme")))
		get(t, e, "/")
		r := request(t, http.MethodGet, "/", row.headers...)
		if row.change != nil {
			row.change(r)
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if got := verdict(w); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if traces(w, secret) != "" {
			t.Errorf("%s: the value stands in the answer: %v", row.name, w.Header())
		}
	}
}

// TestIgnoreCookies: the application's own list replaces that of the analytics scripts.
func TestIgnoreCookies(t *testing.T) {
	t.Parallel()
	cache := newCache(t, echocache.Config{IgnoreCookies: []string{"ab_*"}})
	e := newEcho()
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "page") }, cache.Output(output.For(hour)))
	wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/", "Cookie: ab_test=1") }, "stored", "hit")
	wantVerdicts(t, func() *httptest.ResponseRecorder { return get(t, e, "/", "Cookie: _ga=1") }, "bypass:identity-unknown:_ga")
}

// TestPersonalAnswersAreNeverStored names I-4: what the handler says of its answer counts, under every policy.
func TestPersonalAnswersAreNeverStored(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ header, value, want string }{
		{"Set-Cookie", "a=b", "uri-miss:set-cookie"},
		{"Cache-Control", "private", "uri-miss:private"},
		{"Cache-Control", `max-age=60, Private="Set-Cookie"`, "uri-miss:private"},
		{"Cache-Control", "No-Store", "uri-miss:no-store"},
		{"Vary", "*", "uri-miss:vary"},
		{"Vary", "Authorization", "uri-miss:vary"},
		{"Vary", "Accept-Language, cookie", "uri-miss:vary"},
		{"Vary", "Accept-Language, User-Agent", "uri-miss:vary"},
		{"Vary", "accept-language", "stored"},
		{"Cache-Control", "public, max-age=60", "stored"},
		{"X-Anything", "private", "stored"},
	} {
		for name, policy := range map[string]output.Policy{
			"shared": output.For(hour), "public": output.For(hour).Public(), "per user": output.For(hour).PerUser(),
		} {
			cache := newCache(t, echocache.Config{User: userFromHeader})
			e := newEcho()
			ran := 0
			e.GET("/", func(c echo.Context) error {
				ran++
				c.Response().Header().Add(row.header, row.value)
				return c.String(http.StatusOK, "page")
			}, cache.Output(policy.VaryHeader("Accept-Language")))
			user := ""
			if name == "per user" {
				user = "ada"
			}
			first := get(t, e, "/", "X-User: "+user)
			second := get(t, e, "/", "X-User: "+user)
			kept := row.want == "stored"
			if got := verdict(first); got != row.want || (verdict(second) == "hit") != kept || (ran == 1) != kept {
				t.Errorf("%s: %s: %s: %q then %q, the handler ran %d times; want %q",
					name, row.header, row.value, got, verdict(second), ran, row.want)
			}
			if got := first.Header().Get(row.header); got != row.value {
				t.Errorf("%s: %s arrived as %q, want %q", name, row.header, got, row.value)
			}
		}
	}
}

// TestWaitersNeverShareAPersonalAnswer names I-4: those who waited for a fill whose answer turns out to be one
// person's run the handler themselves.
func TestWaitersNeverShareAPersonalAnswer(t *testing.T) {
	t.Parallel()
	shared := func(t *testing.T, header, value string) (shared bool) {
		t.Helper()
		cache := newCache(t, echocache.Config{})
		e := newEcho()
		var mu sync.Mutex
		ran, release := 0, make(chan struct{})
		e.GET("/", func(c echo.Context) error {
			mu.Lock()
			ran++
			n := ran
			mu.Unlock()
			if n == 1 {
				<-release
			}
			c.Response().Header().Set(header, value)
			return c.String(http.StatusOK, fmt.Sprint("answer ", n))
		}, cache.Output(output.For(hour)))
		const clients = 5
		bodies := make([]string, clients)
		var done sync.WaitGroup
		for i := range clients {
			done.Go(func() { bodies[i] = get(t, e, "/").Body.String() })
		}
		synctest.Wait() // one fills, the others wait
		close(release)
		done.Wait()
		seen := map[string]bool{}
		for _, body := range bodies {
			shared = shared || seen[body]
			seen[body] = true
		}
		return shared
	}
	for _, row := range []struct {
		name, header, value string
		want                bool
	}{
		{"set-cookie", "Set-Cookie", "sid=1", false},
		{"private", "Cache-Control", "private", false},
		{"vary", "Vary", "Cookie", false},
		{"nobody's, for comparison", "X-Fine", "yes", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if got := shared(t, row.header, row.value); got != row.want {
					t.Errorf("shared: %t, want %t", got, row.want)
				}
			})
		})
	}
}
