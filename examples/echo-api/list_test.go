package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func TestListPages(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	seen := map[int64]bool{}
	for _, page := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"} {
		list := body[productList](t, get(t, s, "/products?sort=price&page="+page, http.StatusOK, "miss"))
		if list.Pages != 10 || list.Total != 200 || len(list.Products) != pageSize {
			t.Fatalf("page %s: %d pages, %d in all, %d here", page, list.Pages, list.Total, len(list.Products))
		}
		for i, p := range list.Products {
			if seen[p.ID] {
				t.Errorf("product %d is there twice", p.ID)
			}
			seen[p.ID] = true
			if i > 0 && p.PriceCents < list.Products[i-1].PriceCents {
				t.Errorf("page %s is not in the order of prices", page)
			}
		}
	}
	list := body[productList](t, get(t, s, "/products?page=11", http.StatusOK, "miss"))
	if len(list.Products) != 0 || list.Products == nil {
		t.Errorf("beyond the last page: %+v", list.Products)
	}
	list = body[productList](t, get(t, s, "/products?category=rugs&sort=-price", http.StatusOK, "miss"))
	for _, p := range list.Products {
		if p.Category != "rugs" || p.CategoryName != "Rugs" {
			t.Errorf("among the rugs: %+v", p)
		}
	}
	if first, last := list.Products[0], list.Products[len(list.Products)-1]; first.PriceCents <= last.PriceCents {
		t.Errorf("the dearest first, but %d comes before %d", first.PriceCents, last.PriceCents)
	}
}

func TestListRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for query, field := range map[string]string{
		"page=0": "page", "page=-1": "page", "page=01": "page", "page=x": "page", "page=1.5": "page",
		"page=1000001": "page", "page=99999999999999999999": "page",
		"sort=id%3Bdrop": "sort", "sort=Name": "sort", "category=lamp": "category", "category=LAMPS": "category",
	} {
		w := ask(t, s, "GET /products?"+query, "")
		if got := body[failure](t, w); w.Code != http.StatusBadRequest || got.Fields[field] == "" {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	get(t, s, "/products?category=&page=&sort=", http.StatusOK, "miss")
}

// Three parameters choose the page. Others, and the order in which they come, do not.
func TestListVariesOnThreeParameters(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	get(t, s, "/products?category=lamps&page=2&sort=name", http.StatusOK, "miss")
	for _, same := range []string{
		"sort=name&page=2&category=lamps", "category=lamps&page=2&sort=name&utm_source=letter", "x=1&sort=name&page=2&category=lamps&x=2",
	} {
		get(t, s, "/products?"+same, http.StatusOK, "hit")
		get(t, s, "/products?"+same, http.StatusOK, "hit", alice)
	}
	for _, other := range []string{"category=lamps&page=1&sort=name", "category=rugs&page=2&sort=name", "category=lamps&page=2&sort=price", ""} {
		get(t, s, "/products?"+other, http.StatusOK, "miss")
	}
}

func TestListSpeaksTheReadersLanguage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, accept, lang, lamps string
	}{
		{"none", "", "en", "Lamps"},
		{"English", "en", "en", "Lamps"},
		{"American", "en-US,en;q=0.5", "en", "Lamps"},
		{"German", "de", "de", "Leuchten"},
		{"Swiss", "de-CH, fr;q=0.9", "de", "Leuchten"},
		{"French by weight", "de;q=0.3, fr;q=0.8, en;q=0.1", "fr", "Luminaires"},
		{"French in capitals", "FR-ca", "fr", "Luminaires"},
		{"the second choice", "ja, de;q=0.5", "de", "Leuchten"},
		{"not German", "de;q=0", "en", "Lamps"},
		{"not German but French", "de;q=0, fr;q=0.1", "fr", "Luminaires"},
		{"none that we know", "ja", "en", "Lamps"},
		{"any", "*", "en", "Lamps"},
		{"rubbish", ";;q=x,,-", "en", "Lamps"},
		{"much rubbish", strings.Repeat("a-", 2000), "en", "Lamps"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := testShop(t)
			var headers []string
			if row.accept != "" {
				headers = []string{"Accept-Language: " + row.accept}
			}
			w := get(t, s, "/products?category=lamps", http.StatusOK, "miss", headers...)
			if got := w.Header().Get("Content-Language"); got != row.lang {
				t.Errorf("in %s instead of %s", got, row.lang)
			}
			if vary := strings.Join(w.Header().Values("Vary"), ", "); !strings.Contains(vary, "Accept-Language") {
				t.Errorf("Vary: %s", vary)
			}
			if name := body[productList](t, w).Products[0].CategoryName; name != row.lamps {
				t.Errorf("lamps are called %s", name)
			}
			// Another spelling of the same wish is the same page.
			w = get(t, s, "/products?category=lamps", http.StatusOK, "hit", "Accept-Language: "+row.lang+"-x-test;q=0.7")
			if got := w.Header().Get("Content-Language"); got != row.lang {
				t.Errorf("the hit is in %s instead of %s", got, row.lang)
			}
		})
	}
}

func TestListKeepsLanguagesApart(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for _, lang := range []string{"en", "de", "fr"} {
		get(t, s, "/products", http.StatusOK, "miss", "Accept-Language: "+lang)
	}
	want(t, ask(t, s, "DELETE /products/1", ""), http.StatusNoContent, "")
	for _, lang := range []string{"en", "de", "fr"} {
		get(t, s, "/products", http.StatusOK, "miss", "Accept-Language: "+lang) // one tag for all of them
	}
}
