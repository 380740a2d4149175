package security_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// The wrapped middlewares leave the token in the request's context, as gorilla/csrf does: under a plain string, a string of
// a type of its own, or something else.
type (
	stringKey string
	structKey struct{}
)

// wrapped is a net/http CSRF middleware: a cookie on the first visit, and a token for forms in the request's context.
func wrapped(key any) echo.MiddlewareFunc {
	return echo.WrapMiddleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := fmt.Sprint("token-", unique.Add(1))
			if cookie, err := r.Cookie("_csrf"); err == nil {
				token = cookie.Value
			} else {
				http.SetCookie(w, &http.Cookie{Name: "_csrf", Value: token})
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key, token)))
		})
	})
}

// shared asks for a form as three clients and returns each token that was shown to two of them, or was kept.
func shared(t *testing.T, s *stand, config echocache.Config, token func(c echo.Context) any, chain func(*echocache.Cache) []echo.MiddlewareFunc) (found []string) {
	t.Helper()
	own := *s
	own.namespace += fmt.Sprint("-", namespaces.Add(1))
	own.held = &held{values: map[string][]byte{}}
	e, cache := site(t, &own, config)
	e.GET("/form", func(c echo.Context) error { return c.String(http.StatusOK, fmt.Sprintf("<%v>", token(c))) }, chain(cache)...)
	seen := map[string]bool{}
	for client := range 3 {
		cookie := "" // none on the first visit of each, its own on the second
		for visit := range 2 {
			w := sent(t, e, http.MethodGet, "/form", "Cookie: "+cookie)
			if set := w.Header().Get("Set-Cookie"); set != "" {
				cookie, _, _ = strings.Cut(set, ";")
			} else if visit == 0 {
				found = append(found, fmt.Sprintf("client %d got no cookie", client))
			}
			_, mine, _ := strings.Cut(cookie, "=")
			shown := strings.Trim(w.Body.String(), "<>")
			if shown != mine && shown != "<nil>" && shown != "" && shown != "nil" || own.held.contains(mine) || seen[mine] && visit == 0 {
				found = append(found, fmt.Sprintf("client %d, whose token is %s, got %s", client, mine, w.Body))
			}
			seen[mine] = true
		}
	}
	return found
}

// TestI3_TokensOfForms names I-3: the token of a form is its client's, whichever middleware made it and wherever it stands. In
// a page that is kept there is none.
func TestI3_TokensOfForms(t *testing.T) {
	t.Parallel()
	inEcho := func(c echo.Context) any { return c.Get("csrf") }
	in := func(key any) func(echo.Context) any {
		return func(c echo.Context) any { return c.Request().Context().Value(key) }
	}
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, kind, nil, true, 64<<20)
			for _, row := range []struct {
				name   string
				csrf   echo.MiddlewareFunc
				token  func(echo.Context) any
				config echocache.Config
				leaks  bool // outside of the cache, where the application does not do its part
			}{
				{"Echo's", middleware.CSRF(), inEcho, echocache.Config{}, false},
				{"gorilla's", wrapped("gorilla.csrf.Token"), in("gorilla.csrf.Token"), echocache.Config{}, false},
				{"a named string", wrapped(stringKey("t")), in(stringKey("t")), echocache.Config{PerClient: []string{"t"}}, false},
				{"a string that is not named", wrapped(stringKey("t")), in(stringKey("t")), echocache.Config{}, true},
				{"no string", wrapped(structKey{}), in(structKey{}), echocache.Config{}, true},
				{"a cache that hides nothing", middleware.CSRF(), inEcho, echocache.Config{PerClient: []string{}}, true},
			} {
				for _, policy := range []output.Policy{output.For(ages), output.For(ages).Public()} {
					outside := shared(t, s, row.config, row.token, func(c *echocache.Cache) []echo.MiddlewareFunc {
						return []echo.MiddlewareFunc{row.csrf, c.Output(policy)}
					})
					if len(outside) > 0 != row.leaks {
						t.Errorf("%s, outside of %s: %q", row.name, policy, outside)
					}
					inside := shared(t, s, row.config, row.token, func(c *echocache.Cache) []echo.MiddlewareFunc {
						return []echo.MiddlewareFunc{c.Output(policy), row.csrf}
					})
					if len(inside) > 0 {
						t.Errorf("%s, inside of %s: %q", row.name, policy, inside)
					}
				}
			}
		})
	}
}
