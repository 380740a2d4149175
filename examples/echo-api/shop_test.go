package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// testShop returns a shop with a database of its own that costs no time.
func testShop(t *testing.T) *shop {
	t.Helper()
	s, err := newShop(t.Context(), config{Version: "test"}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends a request: "GET /products/7", a body if there is one, and headers as "Name: value".
func ask(t *testing.T, s *shop, line, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	s.echo.ServeHTTP(w, r)
	return w
}

// want fails the test unless the answer has the status, and says of the cache what is wanted: hit, miss (and stored),
// or bypass; "" for a route that is not cached.
func want(t *testing.T, w *httptest.ResponseRecorder, code int, cache string) {
	t.Helper()
	if w.Code != code {
		t.Errorf("status %d instead of %d: %s", w.Code, code, w.Body)
	}
	said := w.Header().Get("Cache-Status")
	got := said
	switch {
	case strings.HasPrefix(said, "shop; hit; ttl="):
		got = "hit"
	case strings.HasPrefix(said, "shop; fwd=uri-miss; stored; ttl="):
		got = "miss"
	case strings.HasPrefix(said, "shop; fwd=bypass"):
		got = "bypass"
	}
	if got != cache {
		t.Errorf("Cache-Status: %s, instead of a %s", said, cache)
	}
}

// get asks and wants in one line.
func get(t *testing.T, s *shop, path string, code int, cache string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := ask(t, s, "GET "+path, "", headers...)
	want(t, w, code, cache)
	return w
}

// ttl returns the seconds that Cache-Status promises.
func ttl(t *testing.T, w *httptest.ResponseRecorder) int {
	t.Helper()
	found := regexp.MustCompile(`; ttl=(\d+)`).FindStringSubmatch(w.Header().Get("Cache-Status"))
	if found == nil {
		t.Fatalf("no ttl in Cache-Status: %s", w.Header().Get("Cache-Status"))
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// body decodes an answer.
func body[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

// lampJSON is the body of a POST or PUT.
func lampJSON(t *testing.T, brand string, cents int64) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"name": "Lamp", "brand": brand, "category": "lamps", "price_cents": cents})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const (
	alice = "Authorization: Bearer alice-token"
	bob   = "Authorization: Bearer bob-token"
)

// Everything that fails says so in JSON, whoever in the chain found the failure.
func TestErrorsAreJSON(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	s.echo.GET("/panic", func(echo.Context) error { panic("on purpose") })
	s.echo.GET("/secret", func(echo.Context) error { return fmt.Errorf("the password is %s", "x") })
	for line, row := range map[string]struct {
		code int
		text string
	}{
		"GET /nowhere":    {http.StatusNotFound, "Not Found"},
		"PATCH /products": {http.StatusMethodNotAllowed, "Method Not Allowed"},
		"GET /me/nowhere": {http.StatusUnauthorized, "sign in with a bearer token"},
		"GET /panic":      {http.StatusInternalServerError, "internal error"},
		"GET /secret":     {http.StatusInternalServerError, "internal error"},
		"GET /brands/x":   {http.StatusNotFound, "no such brand"},
	} {
		w := ask(t, s, line, "")
		if got := body[failure](t, w); w.Code != row.code || got.Error != row.text {
			t.Errorf("%s: %d %q instead of %d %q", line, w.Code, got.Error, row.code, row.text)
		}
		if kind := w.Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s: Content-Type: %s", line, kind)
		}
	}
	if w := ask(t, s, "HEAD /brands/x", ""); w.Code != http.StatusNotFound || w.Body.Len() > 0 {
		t.Errorf("HEAD of nothing: %d with %d bytes", w.Code, w.Body.Len())
	}
}
