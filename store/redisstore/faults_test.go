package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store/redisstore"
)

const (
	faultKeys     = 4
	faultDuration = 2 * time.Second
)

// TestI1UnderFaults has two instances read and write while the server is treated badly.
func TestI1UnderFaults(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	ns := namespace()
	var w world
	ctx, stop := context.WithTimeout(t.Context(), faultDuration)
	defer stop()
	for range 2 {
		s := redisstore.New(dial(t, server), redisstore.Config{Namespace: ns, Shards: 2, Lease: time.Millisecond})
		t.Cleanup(func() { _ = s.Close() })
		for range 6 {
			w.work(ctx, time.Millisecond, func() { w.read(s, rand.IntN(faultKeys)) })
		}
		w.work(ctx, 10*time.Millisecond, func() { w.write(s, rand.IntN(faultKeys)) })
	}
	w.work(ctx, 60*time.Millisecond, func() { fault(server, ns) })
	w.rest(t)
	t.Logf("%d hits, %d fills, %d evictions confirmed, %d not", w.hits.Load(), w.fills.Load(), w.evictions.Load(), w.refused.Load())
	if w.hits.Load() == 0 || w.fills.Load() == 0 || w.evictions.Load() == 0 {
		t.Error("nothing happened: the test proves nothing")
	}
}

// fault does something to the server that may happen to one.
func fault(s *testredis.Server, ns string) {
	shard := fmt.Sprintf("{%s:%d}:", ns, rand.IntN(2))
	switch rand.IntN(7) {
	case 0:
		_, _ = s.Do("DEL", shard+"m")
	case 1:
		_, _ = s.Do("DEL", shard+"z")
	case 2:
		_, _ = s.Do("FLUSHALL")
	case 3:
		_, _ = s.Do("SCRIPT", "FLUSH")
	case 4:
		s.Pause()
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		s.Resume()
	case 5:
		_, _ = s.Do("CONFIG", "SET", "maxmemory", "1")
		time.Sleep(20 * time.Millisecond)
		_, _ = s.Do("CONFIG", "SET", "maxmemory", "0")
	case 6:
		_, _ = s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
}
