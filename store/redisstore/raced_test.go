package redisstore_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/redisstore"
)

// swapper delivers another body than the server's, as if the record had been replaced between judgement and delivery.
type swapper struct {
	counter

	body atomic.Pointer[string]
}

func (s *swapper) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if body, ok := cmd.(*redis.StringCmd); ok && cmd.Name() == "get" && s.body.Load() != nil {
				body.SetVal(*s.body.Load())
			}
		}
		return err
	}
}

// Only the record that was judged is served, or one that would be judged alike (I-1).
func TestI1TheBodyIsTheOneThatWasJudged(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	client := patientClient(t, server)
	ns := namespace()
	s := open(t, client, redisstore.Config{Namespace: ns})
	put(t, s, "k", "old", "a")
	key := entryKey(t, server, ns)
	old := server.Must("GET", key)
	evict(t, s, "a")
	put(t, s, "k", "new", "a")
	var swap swapper
	client.AddHook(&swap)
	hit(t, s, "k", "new")
	swap.body.Store(&old)
	miss(t, s, "k")
	if n := s.Info().Raced; n != 1 {
		t.Errorf("%d raced, want 1", n)
	}
	swap.body.Store(nil)
	hit(t, s, "k", "new")
}

// What is larger than an instance allows is not served by it, though another one stored it.
func TestI9ARecordThatIsTooLarge(t *testing.T) {
	t.Parallel()
	client := patientClient(t, testredis.Start(t))
	ns := namespace()
	large := open(t, client, redisstore.Config{Namespace: ns})
	small := open(t, client, redisstore.Config{Namespace: ns, MaxRecord: 4 << 10})
	value := strings.Repeat("x", 5<<10)
	put(t, large, "k", value)
	hit(t, large, "k", value)
	f := miss(t, small, "k")
	if n := small.Info().Damaged; n != 1 {
		t.Errorf("%d damaged, want 1", n)
	}
	offer(t, small, store.Refused, "k", value, f)
	put(t, small, "k", "x")
	hit(t, small, "k", "x")
}
