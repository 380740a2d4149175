package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// log is what a logger wrote.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestGradeOfASingleServer(t *testing.T) {
	t.Parallel()
	var written log
	s := open(t, patientClient(t, testredis.Start(t)), redisstore.Config{Grade: redisstore.GradeExact, Logger: written.logger()})
	if g := s.Grade().String(); g != "unknown" {
		t.Errorf("before the first use the grade is %q", g)
	}
	put(t, s, "k", "v")
	hit(t, s, "k", "v")
	if g := s.Grade(); g != redisstore.GradeExact {
		t.Errorf("the grade is %q", g)
	}
	if n := strings.Count(written.String(), "\n"); n != 1 || !strings.Contains(written.String(), "grade=exact") {
		t.Errorf("logged: %s", written.String())
	}
}

// restricted returns a client of a user who may do all but one thing.
func restricted(t *testing.T, server *testredis.Server, rule string) redis.UniversalClient {
	t.Helper()
	server.Must("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", rule)
	o, err := redisstore.ParseURL("redis://app:secret@" + server.Addr() + "/0?read_timeout=5s&pool_timeout=5s")
	if err != nil {
		t.Fatal(err)
	}
	o.DisableIdentity = true
	client := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestGradeWhereInfoIsRefused(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	client := restricted(t, server, "-info")
	var written log
	ns := namespace()
	able := open(t, patientClient(t, server), redisstore.Config{Namespace: ns})
	put(t, able, "other", "v")
	strict := open(t, client, redisstore.Config{Namespace: ns, Logger: written.logger()})
	useless(t, strict, redisstore.GradeUntilFailover)
	if err := strict.Evict(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "+info") {
		t.Errorf("Evict = %v, want an error with what to do", err)
	}
	if text := written.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "+info") {
		t.Errorf("logged: %s", text)
	}
	hit(t, able, "other", "v") // whoever is refused leaves the clock alone
	content := open(t, client, redisstore.Config{Grade: redisstore.GradeUntilFailover})
	put(t, content, "k", "v", "a")
	f := hit(t, content, "k", "v").Fence
	evict(t, content, "a")
	miss(t, content, "k")
	offer(t, content, store.Fenced, "k", "v", f, "a")
	if g := content.Grade(); g != redisstore.GradeUntilFailover {
		t.Errorf("the grade is %q", g)
	}
}

func TestGradeWithoutScripts(t *testing.T) {
	t.Parallel()
	client := restricted(t, testredis.Start(t), "-@scripting")
	var written log
	s := open(t, client, redisstore.Config{Grade: redisstore.GradeUntilFailover, Logger: written.logger()})
	useless(t, s, redisstore.GradeNone)
	if text := written.String(); strings.Count(text, "level=ERROR") != 1 {
		t.Errorf("logged: %s", text)
	}
	if err := s.Evict(t.Context(), "a"); err == nil {
		t.Error("an eviction is confirmed although no script runs")
	}
}

// Some servers and proxies do not know the commands at all.
func TestGradeWhereScriptsAreUnknown(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t, "--rename-command", "EVALSHA", "", "--rename-command", "EVAL", "")
	var written log
	s := open(t, patientClient(t, server), redisstore.Config{Grade: redisstore.GradeUntilFailover, Logger: written.logger()})
	useless(t, s, redisstore.GradeNone)
	if text := written.String(); strings.Count(text, "level=ERROR") != 1 {
		t.Errorf("logged: %s", text)
	}
}

// Instances with different shards do not see each other's evictions, so the later one keeps out.
func TestGradeOfAnotherLayout(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	client := patientClient(t, server)
	for _, shards := range [][2]int{{1, 4}, {4, 1}} {
		ns := namespace()
		var written log
		first := open(t, client, redisstore.Config{Namespace: ns, Shards: shards[0]})
		put(t, first, "k", "v", "a")
		second := open(t, client, redisstore.Config{Namespace: ns, Shards: shards[1], Logger: written.logger()})
		useless(t, second, redisstore.GradeNone)
		if err := second.Evict(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "Config.Shards") {
			t.Errorf("Evict = %v, want an error that names Config.Shards", err)
		}
		if text := written.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "Config.Shards") {
			t.Errorf("logged: %s", text)
		}
		hit(t, first, "k", "v")
		evict(t, first, "a")
		miss(t, first, "k")
	}
}

// useless wants a store that keeps nothing, and a grade.
func useless(t *testing.T, s *redisstore.Store, want redisstore.Grade) {
	t.Helper()
	for range 3 {
		if f := look(t, s, "k"); f.Record != nil || f.Fence != (store.Fence{}) {
			t.Errorf("found %+v, want a miss without a fence", f)
		}
	}
	r := store.Record{Value: []byte("v"), TTL: time.Minute, Fence: store.Fence{Epoch: [16]byte{1}, Tick: 1}}
	if v, err := s.Store(context.Background(), "k", r); v != store.Refused || err == nil {
		t.Errorf("Store = %v (%v), want refused with the reason", v, err)
	}
	if g := s.Grade(); g != want {
		t.Errorf("the grade is %q, want %q", g, want)
	}
}

// Once the server is good enough the store finds that out by itself.
func TestGradeIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	ns := namespace()
	client := patientClient(t, server)
	server.Must("HSET", "{"+ns+":0}:m", "l", "1/7")
	s := open(t, client, redisstore.Config{Namespace: ns})
	useless(t, s, redisstore.GradeNone)
	server.Must("DEL", "{"+ns+":0}:m")
	eventually(t, func() error {
		if look(t, s, "k").Fence == (store.Fence{}) {
			return errors.New("the store still keeps nothing")
		}
		return nil
	})
	put(t, s, "k", "v")
	server.Must("HSET", "{"+ns+":0}:m", "l", "1/7")
	if _, err := s.Lookup(t.Context(), "k"); err == nil {
		t.Error("no error at the look-up that finds another layout")
	}
	useless(t, s, redisstore.GradeNone)
}

// Who finds another layout is told what to do, which depends on what is different about it.
func TestALayoutErrorNamesTheFix(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	client := patientClient(t, server)
	for found, fix := range map[string]string{"1/1": "another release", "2/7": "Config.Shards", "": "another release"} {
		ns := namespace()
		s := open(t, client, redisstore.Config{Namespace: ns})
		put(t, s, "k", "v")
		server.Must("HSET", "{"+ns+":0}:m", "l", found)
		if _, err := s.Lookup(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), fix) {
			t.Errorf("with the layout %q: %v, want %q", found, err, fix)
		}
	}
}
