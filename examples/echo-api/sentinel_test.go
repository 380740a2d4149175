package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
)

// redisShop returns a shop on a database and a Redis that it shares, as the environment would name them.
func redisShop(t *testing.T, database string, environment map[string]string) *shop {
	t.Helper()
	c, err := readConfig(func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	c.Database, c.Latency = database, 0
	s, err := newShop(t.Context(), c, quiet())
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

// within asks until the answer says hit, for a while. Every answer has to be right.
func within(t *testing.T, patience time.Duration, s *shop, price string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		w := ask(t, s, "GET /products/7", "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), price) {
			t.Fatalf("%d %s, want the price %s", w.Code, w.Body, price)
		}
		if strings.HasPrefix(w.Header().Get("Cache-Status"), "shop; hit") {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("no hit within %s: %s", patience, w.Header().Get("Cache-Status"))
		}
	}
}

// Two shops find their Redis through Sentinels, and go on when the master dies: nobody is refused, no price is wrong, and
// both hit again at the new master.
func TestShopsFollowTheSentinels(t *testing.T) {
	t.Parallel()
	g := testredis.StartSentinels(t)
	database := filepath.Join(t.TempDir(), "shop.db")
	environment := map[string]string{
		"REDIS_ADDR": strings.Join(g.Addrs(), ","), "REDIS_MASTER": testredis.MasterName,
	}
	one, two := redisShop(t, database, environment), redisShop(t, database, environment)
	price := func(s *shop, cents string) {
		t.Helper()
		body := `{"name":"Lamp","brand":"Marlow","category":"lamps","price_cents":` + cents + `}`
		if w := ask(t, s, "PUT /products/7", body); w.Code != http.StatusOK {
			t.Fatalf("PUT: %d %s", w.Code, w.Body)
		}
	}
	price(one, "1111")
	within(t, 10*time.Second, one, "1111")
	within(t, 10*time.Second, two, "1111")
	price(two, "2222")
	within(t, 10*time.Second, one, "2222")
	if got := one.backend.status(); got.Grade != "exact except in a split brain" || got.Redis.Hits == 0 && got.Memory.Hits == 0 {
		t.Errorf("%+v", got)
	}

	old := g.Master()
	old.Stop()
	price(one, "3333") // queued, and honoured here
	if w := ask(t, one, "GET /products/7", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "3333") {
		t.Errorf("while there is no master: %d %s", w.Code, w.Body)
	}
	g.AwaitFailover(old)
	for began := time.Now(); one.backend.guard.Pending() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 15*time.Second {
			t.Fatalf("%d evictions are queued", one.backend.guard.Pending())
		}
	}
	within(t, 15*time.Second, one, "3333")
	within(t, 15*time.Second, two, "3333")
	price(two, "4444")
	within(t, 15*time.Second, one, "4444")
}
