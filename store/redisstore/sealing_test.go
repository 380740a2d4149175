package redisstore_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store/redisstore"
)

// sealKey returns a key that is the same for the same name.
func sealKey(name byte) []byte { return bytes.Repeat([]byte{name}, 32) }

// rawRecords returns what stands at the server in a namespace, by name.
func rawRecords(tb testing.TB, client redis.UniversalClient, namespace string) map[string]string {
	tb.Helper()
	ctx := context.Background()
	names, err := client.Keys(ctx, "{"+namespace+":*}:k:*").Result()
	if err != nil {
		tb.Fatal(err)
	}
	all := make(map[string]string, len(names))
	for _, name := range names {
		if all[name], err = client.Get(ctx, name).Result(); err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

// Nobody who reads at the server sees what a record says, its key or its tags.
func TestSealedRecordsShowNothing(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	for name, keys := range map[string][][]byte{"sealed": {sealKey(1)}, "plain": nil} {
		s := open(t, client, redisstore.Config{Namespace: ns, Keys: keys})
		put(t, s, "a key of alice", "a secret value", "a tag of alice")
		hit(t, s, "a key of alice", "a secret value")
		for at, text := range rawRecords(t, client, ns) {
			for _, secret := range []string{"a secret value", "a tag of alice"} {
				if seen := strings.Contains(text, secret); seen != (keys == nil) {
					t.Errorf("%s: %q is seen at %s: %v", name, secret, at, seen)
				}
			}
			if strings.Contains(at+text, "a key of alice") {
				t.Errorf("%s: the key is seen at %s", name, at)
			}
		}
		evict(t, s, "a tag of alice")
	}
}

// A record is a miss for whoever does not have its key, and for whoever has keys if it is not sealed. The first key
// seals, all open.
func TestSealedRecordsNeedTheirKey(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	with := func(ns string, keys ...[]byte) *redisstore.Store {
		return open(t, client, redisstore.Config{Namespace: ns, Keys: keys})
	}
	for name, row := range map[string]struct {
		sealed, opened [][]byte
		hit            bool
	}{
		"the same":      {[][]byte{sealKey(1)}, [][]byte{sealKey(1)}, true},
		"an older one":  {[][]byte{sealKey(1)}, [][]byte{sealKey(2), sealKey(1)}, true},
		"a newer one":   {[][]byte{sealKey(2), sealKey(1)}, [][]byte{sealKey(1), sealKey(2)}, true},
		"the first":     {[][]byte{sealKey(2), sealKey(1)}, [][]byte{sealKey(1)}, false},
		"another":       {[][]byte{sealKey(1)}, [][]byte{sealKey(2)}, false},
		"none":          {[][]byte{sealKey(1)}, nil, false},
		"for unsealed":  {nil, [][]byte{sealKey(1)}, false},
		"never had any": {nil, nil, true},
	} {
		ns := namespace()
		put(t, with(ns, row.sealed...), "k", "v", "tag")
		s := with(ns, row.opened...)
		if row.hit {
			hit(t, s, "k", "v")
		} else {
			miss(t, s, "k")
			if n := s.Info().Damaged; n != 1 {
				t.Errorf("%s: %d damaged", name, n)
			}
		}
	}
}

// Whoever writes at the server can make no record, change none, and put none under another key or into another
// namespace: whatever is given out has been stored as it is.
func TestI9_SealedRecordsCannotBeForged(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ctx := context.Background()
	ns, other := namespace(), namespace()
	s := open(t, client, redisstore.Config{Namespace: ns, Keys: [][]byte{sealKey(1)}})
	foreign := open(t, client, redisstore.Config{Namespace: other, Keys: [][]byte{sealKey(1)}})
	put(t, s, "one", "value of one", "tag")
	one := rawRecords(t, client, ns)
	put(t, s, "two", "value of two", "tag")
	put(t, foreign, "one", "of another application", "tag")
	var at, atTwo string
	for name := range rawRecords(t, client, ns) {
		if _, is := one[name]; is {
			at = name
		} else {
			atTwo = name
		}
	}
	set := func(name, text string) {
		if err := client.Set(ctx, name, text, time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set(atTwo, one[at])
	miss(t, s, "two")
	for _, text := range rawRecords(t, client, other) {
		set(at, text)
		miss(t, s, "one")
	}
	for i := range len(one[at]) {
		forged := []byte(one[at])
		forged[i] ^= 1
		set(at, string(forged))
		if f := look(t, s, "one"); f.Record != nil && string(f.Record.Value) != "value of one" {
			t.Fatalf("byte %d changed: %q", i, f.Record.Value)
		}
	}
	set(at, one[at])
	hit(t, s, "one", "value of one") // what was tried on was right
}

func TestSealingKeysAreChecked(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() })
	s := redisstore.New(client, redisstore.Config{Namespace: "n", Keys: [][]byte{sealKey(1), []byte("short and secret")}})
	want := "redisstore: Config.Keys[1] has 16 bytes: a key has 32, from crypto/rand"
	if err := s.Check(); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}
