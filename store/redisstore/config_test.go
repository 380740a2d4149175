package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

func TestCheckNamesTheFault(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() })
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	t.Cleanup(func() { _ = ring.Close() })
	for _, row := range []struct {
		name   string
		client redis.UniversalClient
		config redisstore.Config
		want   string // in the error; "" = none
	}{
		{"good", client, redisstore.Config{Namespace: "Shop-1_a.b"}, ""},
		{"no namespace", client, redisstore.Config{}, "Config.Namespace is empty"},
		{"a brace", client, redisstore.Config{Namespace: "a}b"}, "Config.Namespace"},
		{"a colon", client, redisstore.Config{Namespace: "a:b"}, "Config.Namespace"},
		{"a long namespace", client, redisstore.Config{Namespace: strings.Repeat("a", 65)}, "Config.Namespace"},
		{"no client", nil, redisstore.Config{Namespace: "a"}, "client is nil"},
		{"a nil client", (*redis.Client)(nil), redisstore.Config{Namespace: "a"}, "nil *redis.Client"},
		{"a nil cluster", (*redis.ClusterClient)(nil), redisstore.Config{Namespace: "a"}, "nil *redis.ClusterClient"},
		{"a ring", ring, redisstore.Config{Namespace: "a"}, "redis.Ring"},
		{"shards", client, redisstore.Config{Namespace: "a", Shards: -1}, "Config.Shards"},
		{"too many shards", client, redisstore.Config{Namespace: "a", Shards: 1025}, "Config.Shards"},
		{"grade", client, redisstore.Config{Namespace: "a", Grade: redisstore.GradeNone}, "Config.Grade"},
		{"no such grade", client, redisstore.Config{Namespace: "a", Grade: redisstore.GradeExact + 1}, "Config.Grade"},
		{"look-up", client, redisstore.Config{Namespace: "a", LookupTimeout: -1}, "Config.LookupTimeout"},
		{"store", client, redisstore.Config{Namespace: "a", StoreTimeout: 50}, "Config.StoreTimeout"},
		{"evict", client, redisstore.Config{Namespace: "a", EvictTimeout: time.Hour}, "Config.EvictTimeout"},
		{"tags", client, redisstore.Config{Namespace: "a", MaxTags: 1}, "Config.MaxTags"},
		{"record", client, redisstore.Config{Namespace: "a", MaxRecord: 1}, "Config.MaxRecord"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := redisstore.New(row.client, row.config)
			err := s.Check()
			if row.want == "" {
				if err != nil {
					t.Errorf("Check = %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Check = %v, want an error with %q", err, row.want)
			}
			off(t, s)
		})
	}
}

// off wants a store that keeps nothing and confirms nothing, without any I/O.
func off(t *testing.T, s *redisstore.Store) {
	t.Helper()
	ctx := context.Background()
	found, err := s.Lookup(ctx, "a", "b")
	if err != nil || len(found) != 2 || found[0] != (store.Found{}) || found[1] != (store.Found{}) {
		t.Errorf("Lookup = %v (%v), want misses without fences", found, err)
	}
	r := store.Record{TTL: time.Minute, Fence: store.Fence{Epoch: [16]byte{1}}}
	if v, err := s.Store(ctx, "a", r); v != store.Refused || err == nil {
		t.Errorf("Store = %v (%v), want refused", v, err)
	}
	if v, err := s.Replace(ctx, "a", r, "b"); v != store.Refused || err == nil {
		t.Errorf("Replace = %v (%v), want refused with an error: nothing is evicted", v, err)
	}
	if s.Evict(ctx, "a") == nil || s.Delete(ctx, "a") == nil {
		t.Error("a store that is off confirms an eviction")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func TestAfterCloseNothingIsConfirmed(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() })
	s := redisstore.New(client, redisstore.Config{Namespace: "a"})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	off(t, s)
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	ours := redisstore.Options("h:1")
	if ours.ReadTimeout != 150*time.Millisecond || ours.MaxRetries != -1 || !ours.ContextTimeoutEnabled {
		t.Errorf("Options = %+v", ours)
	}
	o, err := redisstore.ParseURL("rediss://user:p%40ss@cache.example:6380/3")
	if err != nil {
		t.Fatal(err)
	}
	if o.Addrs[0] != "cache.example:6380" || o.Username != "user" || o.Password != "p@ss" || o.DB != 3 || o.TLSConfig == nil {
		t.Errorf("ParseURL = %+v", o)
	}
	if o.ReadTimeout != ours.ReadTimeout || o.DialTimeout != ours.DialTimeout || o.PoolTimeout != ours.PoolTimeout ||
		o.MaxRetries != -1 || o.MinIdleConns != 2 || !o.ContextTimeoutEnabled || o.DialerRetries != 1 {
		t.Errorf("the timeouts are not ours: %+v", o)
	}
	o, err = redisstore.ParseURL("redis://h/?read_timeout=2s&max_retries=2&pool_size=7")
	if err != nil || o.ReadTimeout != 2*time.Second || o.MaxRetries != 2 || o.PoolSize != 7 || o.TLSConfig != nil {
		t.Errorf("ParseURL = %+v (%v)", o, err)
	}
	for _, bad := range []string{"", "h:1", "http://h", "unix:///tmp/redis.sock", "redis://:secret@h/x", "redis://:secret@h:%zz"} {
		if _, err := redisstore.ParseURL(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseURL(%q) = %v, want an error without the password", bad, err)
		}
	}
}
