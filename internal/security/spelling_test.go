package security_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
)

// number is an id that a handler reads as strconv does: "7", "07" and "+7" are one product.
func number(text string) (string, bool) {
	n, err := strconv.Atoi(text)
	return strconv.Itoa(n), err == nil
}

// lower is an id that a handler reads whatever its case, as databases read a UUID.
func lower(text string) (string, bool) { return strings.ToLower(text), len(text) == 36 }

// name is an id that is what it says. Echo hands it over escaped where it matters.
func name(text string) (string, bool) {
	plain := strings.NewReplacer("%20", " ", "%2F", "/").Replace(text)
	return plain, !strings.HasSuffix(plain, "/")
}

const uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

// TestSpellingsOfAParameter names I-1 and I-6: each spelling of a parameter is a page of its own, and a write under any of
// them evicts them all if the handlers name the object itself. Where a handler leaves it to the template, those spellings
// that only it can see through stay: that is what its part is.
func TestSpellingsOfAParameter(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		read  func(string) (string, bool)
		paths []string // of one object
		other string   // another's, or nobody's
	}{
		{"numbers", number, []string{"/o/7", "/o/07", "/o/+7", "/o/007"}, "/o/77"},
		{"upper case", lower, []string{"/o/" + uuid, "/o/" + strings.ToUpper(uuid)}, "/o/" + strings.Replace(uuid, "6", "7", 1)},
		{"escapes", name, []string{"/o/Acme%20Co%2FInc", "/o/Acme%20Co/Inc"}, "/o/Acme%20Co"},
		{"a trailing slash", name, []string{"/o/7"}, "/o/7/"},
	} {
		for _, kind := range stores {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				s := newStand(t, kind, nil, true, 64<<20)
				for _, named := range []bool{true, false} {
					e, cache := site(t, s, echocache.Config{})
					e.GET("/o/:id", func(c echo.Context) error {
						id, ok := row.read(c.Param("id"))
						if !ok {
							return echo.ErrNotFound
						}
						if named {
							echocache.Tag(c, "o:"+id)
						}
						return c.String(http.StatusOK, c.Param("id")+" is "+id)
					}, cache.Output(output.For(ages).Tag("o:{id}")))
					e.PUT("/o/:id", func(c echo.Context) error {
						if id, ok := row.read(c.Param("id")); ok && named {
							echocache.Evict(c, "o:"+id)
						}
						return c.NoContent(http.StatusNoContent)
					}, cache.Evict("o:{id}"))
					// The plain spelling of all is the first: what is written under it is what the template can see.
					s.spellings(t, e, row.name, row.paths, row.other, named)
					if err := cache.Outputs().EvictAll(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func (s *stand) spellings(t *testing.T, e http.Handler, what string, paths []string, other string, named bool) {
	t.Helper()
	for _, write := range paths {
		bodies := map[string]string{}
		for _, path := range append([]string{other}, paths...) {
			first, second := sent(t, e, http.MethodGet, path), sent(t, e, http.MethodGet, path)
			if first.Body.String() != second.Body.String() {
				t.Errorf("%s: %s: %q, then %q", what, path, first.Body, second.Body)
			}
			if twin := bodies[second.Body.String()]; twin != "" && first.Code == http.StatusOK {
				t.Errorf("%s: %s and %s share %q", what, path, twin, second.Body)
			}
			bodies[second.Body.String()] = path
		}
		sent(t, e, http.MethodPut, write)
		left := 0
		for _, path := range paths {
			if hit := kept(sent(t, e, http.MethodGet, path)); hit {
				left++
			}
		}
		if named && left > 0 {
			t.Errorf("%s: after a write to %s %d spellings are left", what, write, left)
		}
		if !named && left == len(paths) {
			t.Errorf("%s: after a write to %s all spellings are left", what, write)
		}
		w := sent(t, e, http.MethodGet, other)
		if hit := kept(w); w.Code == http.StatusOK && !hit {
			t.Errorf("%s: a write to %s took %s with it", what, write, other)
		}
	}
}

// TestTemplatesSeeEscapesOnly holds the documents to it: what the template alone evicts is what it was unescaped to, so "%37"
// is 7, and "07" is not.
func TestTemplatesSeeEscapesOnly(t *testing.T) {
	t.Parallel()
	for _, kind := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, kind, nil, true, 64<<20)
			e, cache := site(t, s, echocache.Config{})
			e.GET("/o/:id", func(c echo.Context) error { return c.String(http.StatusOK, c.Param("id")) },
				cache.Output(output.For(ages).Tag("o:{id}")))
			e.PUT("/o/:id", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, cache.Evict("o:{id}"))
			for _, row := range []struct {
				path, write string
				left        bool
			}{
				{"/o/7", "/o/%37", false}, {"/o/%37", "/o/7", false}, {"/o/07", "/o/7", true}, {"/o/7/", "/o/7", true},
				{"/o/Acme%20Co%2FInc", "/o/Acme%20Co/Inc", false}, {"/o/a%3Ab", "/o/a:b", false}, {"/o/A", "/o/a", true},
			} {
				sent(t, e, http.MethodGet, row.path)
				sent(t, e, http.MethodPut, row.write)
				if hit := kept(sent(t, e, http.MethodGet, row.path)); hit != row.left {
					t.Errorf("GET %s after PUT %s: left %t", row.path, row.write, hit)
				}
			}
		})
	}
}
