package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestOrdersAreTheirUsersOnly(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	type page struct{ Orders []order }
	for _, user := range []string{alice, bob} {
		w := get(t, s, "/me/orders", http.StatusOK, "miss", user)
		if control := w.Header().Get("Cache-Control"); !strings.Contains(control, "private") {
			t.Errorf("Cache-Control: %s", control)
		}
		get(t, s, "/me/orders", http.StatusOK, "hit", user)
	}
	w := ask(t, s, "POST /me/orders", `{"product_id":7,"quantity":2}`, alice)
	want(t, w, http.StatusCreated, "")
	made := body[order](t, w)
	if made.Product != "Oak Floor Lamp" || made.PriceCents != 6450 || made.Quantity != 2 {
		t.Errorf("ordered %+v", made)
	}
	if got := body[page](t, get(t, s, "/me/orders", http.StatusOK, "miss", alice)); len(got.Orders) != 1 || got.Orders[0] != made {
		t.Errorf("Alice has %+v", got)
	}
	if got := body[page](t, get(t, s, "/me/orders", http.StatusOK, "hit", bob)); len(got.Orders) != 0 {
		t.Errorf("Bob has %+v", got)
	}
	// An order outlives its product, and shows it as it was.
	want(t, ask(t, s, "DELETE /products/7", ""), http.StatusNoContent, "")
	want(t, ask(t, s, "POST /me/orders", `{"product_id":8,"quantity":1}`, alice), http.StatusCreated, "")
	if got := body[page](t, get(t, s, "/me/orders", http.StatusOK, "miss", alice)); len(got.Orders) != 2 || got.Orders[1] != made {
		t.Errorf("Alice has %+v", got)
	}
}

func TestOrdersNeedAUser(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	get(t, s, "/me/orders", http.StatusOK, "miss", alice)
	for _, header := range []string{
		"X-None: 1", "Authorization: Bearer", "Authorization: Bearer ", "Authorization: Bearer carol-token",
		"Authorization: Basic alice-token", "Authorization: alice-token", "Authorization: Bearer alice", "Cookie: user=alice",
	} {
		for _, line := range []string{"GET /me/orders", "POST /me/orders", "HEAD /me/orders", "GET /me/other"} {
			w := ask(t, s, line, "", header)
			want(t, w, http.StatusUnauthorized, "")
			if w.Header().Get("Www-Authenticate") != "Bearer" {
				t.Errorf("%s with %s: no WWW-Authenticate", line, header)
			}
		}
	}
	get(t, s, "/me/orders", http.StatusOK, "hit", "Authorization: bearer alice-token")
}

func TestOrderValidation(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	for name, row := range map[string]struct{ body, fields string }{
		"nothing there":   {`{}`, "product_id quantity"},
		"none":            {`{"product_id":7,"quantity":0}`, "quantity"},
		"less than none":  {`{"product_id":7,"quantity":-1}`, "quantity"},
		"too many":        {`{"product_id":7,"quantity":101}`, "quantity"},
		"half a one":      {`{"product_id":7,"quantity":0.5}`, "quantity"},
		"no such product": {`{"product_id":999,"quantity":1}`, "product_id"},
		"for another":     {`{"product_id":7,"quantity":1,"user":"bob"}`, "user"},
	} {
		w := ask(t, s, "POST /me/orders", row.body, alice)
		got := body[failure](t, w)
		if fields := strings.Join(sortedKeys(got.Fields), " "); w.Code != http.StatusBadRequest || fields != row.fields {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
