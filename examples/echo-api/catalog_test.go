package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// logged collects what a shop logs.
type logged struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

// loaded returns which products were loaded since the last call, one list a load.
func (l *logged) loaded(t *testing.T) (loads [][]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.lines.String()) {
		var entry struct {
			Msg string
			IDs []int64
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg == "products loaded" {
			loads = append(loads, entry.IDs)
		}
	}
	l.lines.Reset()
	return loads
}

// One PUT makes page and value new, and of the list's products only that one is loaded again.
func TestAWriteLoadsOneProduct(t *testing.T) {
	t.Parallel()
	l := &logged{}
	s, err := newShop(t.Context(), config{Version: "test"}, slog.New(slog.NewJSONHandler(l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	wantLoads := func(want ...[]int64) {
		t.Helper()
		if got := l.loaded(t); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("loaded %v, want %v", got, want)
		}
	}
	var all []int64
	for id := range int64(pageSize) {
		all = append(all, id+1)
	}
	get(t, s, "/products", http.StatusOK, "miss")
	wantLoads(all)
	get(t, s, "/products/7", http.StatusOK, "miss") // the page is new, the product is there
	get(t, s, "/products", http.StatusOK, "miss", "Accept-Language: de")
	wantLoads()

	want(t, ask(t, s, "PUT /products/7", lampJSON(t, "Kestrel", 1234)), http.StatusOK, "")
	list := body[productList](t, get(t, s, "/products", http.StatusOK, "miss"))
	wantLoads([]int64{7})
	if got := list.Products[6]; got.ID != 7 || got.PriceCents != 1234 {
		t.Errorf("in the list: %+v", got)
	}
	if got := body[product](t, get(t, s, "/products/7", http.StatusOK, "miss")); got.PriceCents != 1234 {
		t.Errorf("on its page: %+v", got)
	}
	get(t, s, "/products/8", http.StatusOK, "miss")
	wantLoads()

	// What does not exist is remembered too, and forgotten when it is created.
	get(t, s, "/products/201", http.StatusNotFound, "miss")
	wantLoads([]int64{201})
	want(t, ask(t, s, "DELETE /products/7", ""), http.StatusNoContent, "")
	want(t, ask(t, s, "POST /products", lampJSON(t, "Kestrel", 1)), http.StatusCreated, "")
	get(t, s, "/products/201", http.StatusOK, "miss")
	wantLoads([]int64{201})
	list = body[productList](t, get(t, s, "/products", http.StatusOK, "miss"))
	wantLoads([]int64{21}) // it moved up to this page
	if list.Total != 200 || slices.ContainsFunc(list.Products, func(p listedProduct) bool { return p.ID == 7 }) {
		t.Errorf("%d products, 7 among them: %+v", list.Total, list.Products)
	}
}

// Filled before the first request, everything that is seen first is a hit, in every language.
func TestWarm(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	if err := s.warm(t.Context(), "shop.example"); err != nil {
		t.Fatal(err)
	}
	for path, languages := range map[string][]string{"/products": {"en", "de-AT", "fr"}, "/products/1": {""}, "/products/20": {"de"}} {
		for _, language := range languages {
			get(t, s, "http://shop.example"+path, http.StatusOK, "hit", "Accept-Language: "+language)
		}
	}
	get(t, s, "http://shop.example/products/21", http.StatusOK, "miss")
	get(t, s, "http://another.example/products", http.StatusOK, "miss")
}
