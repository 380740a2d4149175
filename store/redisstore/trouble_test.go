package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// A server without memory goes on to serve and to forget. It keeps nothing new.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s := open(t, patientClient(t, server), redisstore.Config{})
	put(t, s, "k", "v", "a")
	put(t, s, "l", "w", "b")
	put(t, s, "m", "x", "c")
	server.Must("CONFIG", "SET", "maxmemory", "1")
	f := hit(t, s, "k", "v").Fence
	offer(t, s, store.Refused, "k", "new", f, "a")
	hit(t, s, "k", "v")
	evict(t, s, "a")
	miss(t, s, "k")
	r := store.Record{Value: []byte("new"), TTL: time.Hour, Fence: hit(t, s, "l", "w").Fence}
	if v, err := s.Replace(context.Background(), "l", r, "c"); v != store.Refused || err != nil {
		t.Errorf("Replace = %v (%v), want refused and confirmed evictions", v, err)
	}
	miss(t, s, "l")
	miss(t, s, "m")
	if n := s.Info().OutOfMemory; n != 2 {
		t.Errorf("%d records counted as refused for memory, want 2", n)
	}
	server.Must("CONFIG", "SET", "maxmemory", "0")
	put(t, s, "k", "v", "a")
}

// entryKey returns the server's key of the only record in a namespace.
func entryKey(t *testing.T, server *testredis.Server, ns string) string {
	t.Helper()
	keys := server.Must("KEYS", "{"+ns+":*}:k:*")
	if keys == "" || strings.Contains(keys, "\n") {
		t.Fatalf("the records are %q, want one", keys)
	}
	return keys
}

// damages are what may be found under a record's key (I-9).
var damages = []struct {
	name   string
	damage func(s *testredis.Server, key, whole string)
}{
	{"a list", func(s *testredis.Server, key, _ string) { s.Must("DEL", key); s.Must("RPUSH", key, "x") }},
	{"a hash", func(s *testredis.Server, key, _ string) { s.Must("DEL", key); s.Must("HSET", key, "x", "y") }},
	{"an empty word", func(s *testredis.Server, key, _ string) { s.Must("SET", key, "x", "EX", "60") }},
	{"no expiry", func(s *testredis.Server, key, whole string) { s.Must("SET", key, whole) }},
	{"another version", func(s *testredis.Server, key, whole string) { s.Must("SET", key, "1"+whole[1:], "EX", "60") }},
	{"far too large", func(s *testredis.Server, key, whole string) {
		s.Must("SET", key, whole+strings.Repeat("x", 9<<20), "EX", "60")
	}},
	{"more than there was", func(s *testredis.Server, key, whole string) { s.Must("SET", key, whole+"x", "EX", "60") }},
	{"no tags", func(s *testredis.Server, key, whole string) {
		s.Must("SET", key, whole[:tagsAt(whole)]+"\x00"+whole[tagsAt(whole)+1:], "EX", "60")
	}},
	{"tags without end", func(s *testredis.Server, key, whole string) {
		s.Must("SET", key, whole[:tagsAt(whole)]+"\x7f"+whole[tagsAt(whole)+1:], "EX", "60")
	}},
	{"a slide without end", func(s *testredis.Server, key, whole string) {
		s.Must("SET", key, whole[:tagsAt(whole)]+"\x8299999999999999999999"+whole[tagsAt(whole)+1:], "EX", "60")
	}},
	{"an epoch that is not one", func(s *testredis.Server, key, whole string) {
		s.Must("SET", key, whole[:tagsAt(whole)-16]+"abc"+whole[tagsAt(whole):], "EX", "60")
	}},
	{"no more than an epoch", func(s *testredis.Server, key, whole string) {
		s.Must("SET", key, whole[:tagsAt(whole)], "EX", "60")
	}},
}

// tagsAt returns where a record that does not slide says how many tags it has: behind its first word and an epoch.
func tagsAt(whole string) int {
	return strings.Index(whole, " ") + 1 + 16
}

func TestI9DamageIsAMiss(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	client := patientClient(t, server)
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			ns := namespace()
			s := open(t, client, redisstore.Config{Namespace: ns})
			put(t, s, "k", "value", "a", "b")
			key := entryKey(t, server, ns)
			d.damage(server, key, server.Must("GET", key))
			miss(t, s, "k")
			if i := s.Info(); i.Damaged+i.Evicted != 1 {
				t.Errorf("damaged %d, evicted %d, want one of them", i.Damaged, i.Evicted)
			}
			put(t, s, "k", "value", "a", "b")
			hit(t, s, "k", "value")
		})
	}
}

// Every prefix of a record, and every record with one byte changed that is not the value's, is a miss, or as good as it was.
// What is in the value its owner has to protect: see TestI9_ADamagedEntryIsRefused of package output, TestI9_EveryByteOfAValueCounts
// of package store.
func TestI9EveryByteCounts(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	ns := namespace()
	s := open(t, patientClient(t, server), redisstore.Config{Namespace: ns})
	put(t, s, "k", "value", "a")
	key := entryKey(t, server, ns)
	whole := server.Must("GET", key)
	for i := range len(whole) {
		server.Must("SET", key, whole[:i], "EX", "60")
		miss(t, s, "k")
		changed := []byte(whole)
		changed[i] ^= 0x11
		server.Must("SET", key, string(changed), "EX", "60")
		// The tick does not matter, but for who is fresh.
		inValue := i >= len(whole)-4-len("value") && i < len(whole)-4
		if f := look(t, s, "k"); f.Record != nil && !inValue && i > strings.Index(whole, " ") {
			t.Errorf("with byte %d changed to %q %q is found", i, changed[i], f.Record.Value)
		}
	}
	server.Must("SET", key, whole, "EX", "60")
	hit(t, s, "k", "value")
}

// A record under another key's name is not that key's, whoever put it there.
func TestI9KeyEcho(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	ns := namespace()
	s := open(t, patientClient(t, server), redisstore.Config{Namespace: ns})
	put(t, s, "k", "of k", "a")
	name := entryKey(t, server, ns)
	whole := server.Must("GET", name)
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "l", "of l", "a")
	other := entryKey(t, server, ns)
	// The clock has moved on, so the tick is made to fit.
	_, rest, _ := strings.Cut(whole, " ")
	server.Must("SET", other, "22 "+rest, "EX", "60")
	miss(t, s, "l")
	if n := s.Info().Damaged; n != 1 {
		t.Errorf("%d damaged, want 1", n)
	}
}

// When the table of evicted tags is full the oldest are forgotten, and so is all that is as old.
func TestTableIsTrimmed(t *testing.T) {
	t.Parallel()
	const most = 64
	server := testredis.Start(t)
	ns := namespace()
	s := open(t, patientClient(t, server), redisstore.Config{Namespace: ns, MaxTags: most})
	put(t, s, "old", "v", "a")
	late := miss(t, s, "late")
	evict(t, s, "a")
	for i := range 10 * most {
		evict(t, s, fmt.Sprint("other", i))
		var n int
		if _, err := fmt.Sscan(server.Must("ZCARD", "{"+ns+":0}:z"), &n); err != nil || n > most {
			t.Fatalf("after %d evictions the table holds %d tags (%v), more than %d", i+1, n, err, most)
		}
	}
	miss(t, s, "old")
	offer(t, s, store.Fenced, "late", "v", late, "a")
	offer(t, s, store.Fenced, "late", "v", late)
	put(t, s, "new", "v", "a")
	for i := range most / 4 {
		evict(t, s, fmt.Sprint("another", i))
	}
	hit(t, s, "new", "v")
	many := make([]string, 3*most)
	for i := range many {
		many[i] = fmt.Sprint("at once", i)
	}
	young := miss(t, s, "young")
	evict(t, s, many...)
	offer(t, s, store.Fenced, "young", "v", young, many[0])
	put(t, s, "young", "v", many[:store.MaxTags]...)
}
