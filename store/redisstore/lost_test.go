package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// losses are ways in which a server forgets what was evicted (I-1). Each keeps the records, or may.
var losses = []struct {
	name string
	lose func(s *testredis.Server, ns string)
}{
	{"the clock", func(s *testredis.Server, ns string) { s.Must("DEL", "{"+ns+":0}:m") }},
	{"the table", func(s *testredis.Server, ns string) { s.Must("DEL", "{"+ns+":0}:z") }},
	{"both", func(s *testredis.Server, ns string) { s.Must("DEL", "{"+ns+":0}:m", "{"+ns+":0}:z") }},
	{"a part of the table", func(s *testredis.Server, ns string) { s.Must("ZREMRANGEBYRANK", "{"+ns+":0}:z", "0", "0") }},
	{"the epoch", func(s *testredis.Server, ns string) { s.Must("HDEL", "{"+ns+":0}:m", "e") }},
	{"the time", func(s *testredis.Server, ns string) { s.Must("HDEL", "{"+ns+":0}:m", "c") }},
	{"the floor", func(s *testredis.Server, ns string) { s.Must("HSET", "{"+ns+":0}:m", "f", "x") }},
	{"the clock to another type", func(s *testredis.Server, ns string) { s.Must("SET", "{"+ns+":0}:m", "x") }},
	{"the table to another type", func(s *testredis.Server, ns string) { s.Must("SET", "{"+ns+":0}:z", "x") }},
	{"everything", func(s *testredis.Server, _ string) { s.Must("FLUSHALL") }},
}

func TestI1LossIsNoticed(t *testing.T) {
	t.Parallel()
	for _, l := range losses {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			server := testredis.Start(t)
			ns := namespace()
			s := open(t, patientClient(t, server), redisstore.Config{Namespace: ns})
			for i := range 20 {
				put(t, s, fmt.Sprint("k", i), "old", "a")
			}
			late := miss(t, s, "late")
			evict(t, s, "a")
			l.lose(server, ns)
			for i := range 20 {
				miss(t, s, fmt.Sprint("k", i))
			}
			offer(t, s, store.Fenced, "late", "old", late, "a")
			put(t, s, "k0", "new", "a")
			hit(t, s, "k0", "new")
			evict(t, s, "a")
			miss(t, s, "k0")
		})
	}
}

// What a server remembers of before the eviction, when it starts again, is not served.
func TestI1RestartFromAnOlderCopy(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s := open(t, patientClient(t, server), redisstore.Config{})
	for i := range 20 {
		put(t, s, fmt.Sprint("k", i), "old", "a")
	}
	late := miss(t, s, "late")
	server.Must("SAVE")
	copied, err := os.ReadFile(server.File("dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	evict(t, s, "a")
	miss(t, s, "k0")
	server.Stop()
	if err := os.WriteFile(server.File("dump.rdb"), copied, 0o600); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	if n := server.Must("DBSIZE"); n == "0" {
		t.Fatal("the copy was not loaded: the test proves nothing")
	}
	for i := range 20 {
		eventually(t, func() error { _, err := s.Lookup(t.Context(), fmt.Sprint("k", i)); return err })
		miss(t, s, fmt.Sprint("k", i))
	}
	offer(t, s, store.Fenced, "late", "old", late, "a")
	put(t, s, "k0", "new", "a")
	hit(t, s, "k0", "new")
}

// An eviction that the new master never heard of is made up for.
func TestI1Failover(t *testing.T) {
	t.Parallel()
	master, replica := testredis.StartPair(t)
	ns := namespace()
	before := open(t, patientClient(t, master), redisstore.Config{Namespace: ns})
	for i := range 20 {
		put(t, before, fmt.Sprint("k", i), "old", "a")
	}
	late := miss(t, before, "late")
	replica.CatchUp(master)
	if g := before.Grade(); g != redisstore.GradeExceptSplitBrain {
		t.Errorf("with a replica the grade is %q", g)
	}

	onReplica := open(t, patientClient(t, replica), redisstore.Config{Namespace: ns})
	if f, err := onReplica.Lookup(t.Context(), "k0"); err == nil || !strings.Contains(err.Error(), "replica") {
		t.Errorf("a replica answers %+v (%v), want an error", f, err)
	}
	if g := onReplica.Grade(); g != redisstore.GradeNone {
		t.Errorf("of a replica the grade is %q", g)
	}
	if err := onReplica.Evict(t.Context(), "a"); err == nil {
		t.Error("a replica confirms an eviction")
	}

	replica.Forsake() // so that it does not hear of the eviction, and keeps what it has
	evict(t, before, "a")
	miss(t, before, "k0")
	master.Stop()
	replica.Promote()
	if n := replica.Must("DBSIZE"); n != "21" {
		t.Fatalf("the new master has %s keys, want all that there were: the test proves nothing", n)
	}
	after := open(t, patientClient(t, replica), redisstore.Config{Namespace: ns})
	for i := range 20 {
		miss(t, after, fmt.Sprint("k", i))
	}
	offer(t, after, store.Fenced, "late", "old", late, "a")
	put(t, after, "k0", "new", "a")
	hit(t, after, "k0", "new")
}

func TestScriptsAreLoadedWhereTheyAreMissing(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s := open(t, patientClient(t, server), redisstore.Config{Shards: 3})
	for range 3 {
		server.Must("SCRIPT", "FLUSH")
		put(t, s, "k", "v", "a")
		server.Must("SCRIPT", "FLUSH")
		hit(t, s, "k", "v")
		server.Must("SCRIPT", "FLUSH")
		evict(t, s, "a")
		server.Must("SCRIPT", "FLUSH")
		miss(t, s, "k")
		server.Must("SCRIPT", "FLUSH")
		r := store.Record{Value: []byte("new"), TTL: time.Hour, Fence: miss(t, s, "k")}
		if v, err := s.Replace(context.Background(), "k", r, "a"); v != store.Stored || err != nil {
			t.Errorf("Replace = %v (%v)", v, err)
		}
		server.Must("SCRIPT", "FLUSH")
		if err := s.Delete(context.Background(), "k"); err != nil {
			t.Error(err)
		}
	}
}

// eventually tries for a while.
func eventually(tb testing.TB, try func() error) {
	tb.Helper()
	eventuallyWithin(tb, 5*time.Second, try)
}

func eventuallyWithin(tb testing.TB, patience time.Duration, try func() error) {
	tb.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	tb.Fatal(err)
}
