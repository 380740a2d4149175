package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// Sweep frees what was evicted, and nothing else; a record that slides slides no further for it.
func TestSweepFreesWhatWasEvicted(t *testing.T) {
	t.Parallel()
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := c.dial(t)
			config := c.config
			config.Namespace = namespace()
			s := open(t, client, config)
			const records = 300
			for i := range records {
				name := string(rune('a' + i%26))
				put(t, s, store.Key("k", i), "value", "all", name)
			}
			evict(t, s, "a", "b")
			before := s.Records(t.Context())
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			gone := 0
			for i := range records {
				if slices.Contains([]int{0, 1}, i%26) {
					gone++
				}
			}
			if after := s.Records(t.Context()); before != records || after != records-gone || s.Info().Swept != uint64(gone) {
				t.Errorf("%d records, then %d, %d swept; want %d less", before, after, s.Info().Swept, gone)
			}
			hit(t, s, store.Key("k", 2), "value")
		})
	}
}

// A record that slides is not kept any longer because somebody swept.
func TestSweepIsNoLookUp(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	s := open(t, client, redisstore.Config{Namespace: ns})
	r := store.Record{Value: []byte("v"), TTL: time.Hour, Sliding: time.Minute, Fence: miss(t, s, "k")}
	if v, err := s.Store(t.Context(), "k", r); v != store.Stored {
		t.Fatal(v, err)
	}
	for name := range rawRecords(t, client, ns) {
		if err := client.Expire(t.Context(), name, 10*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := client.TTL(t.Context(), name).Val(); left > 10*time.Second || left <= 0 {
			t.Errorf("%s left", left)
		}
		hit(t, s, "k", "v")
		if left := client.TTL(t.Context(), name).Val(); left < 20*time.Second {
			t.Errorf("%s left after a look-up", left)
		}
	}
}
