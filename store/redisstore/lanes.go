package redisstore

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// lanes are pipelines that are sent at once, one to each node.
//
// On a Cluster they are those of the nodes' own clients. The pipeline of a [redis.ClusterClient] follows redirections, and
// repeats all of its commands when the first of them is told to try again: a command that was sent elsewhere meanwhile is
// then on two connections at once, whose readers write the same reply (a data race in go-redis v9.23, whenever a slot
// migrates). Here a redirection is an error, as the other answers of a cluster are that is being changed, and has the
// client ask where everything is now.
type lanes struct {
	client  redis.UniversalClient
	cluster *redis.ClusterClient // nil: it is none
	pipes   map[redis.UniversalClient]redis.Pipeliner
}

func (s *Store) lanes() *lanes {
	cluster, _ := s.client.(*redis.ClusterClient)
	return &lanes{s.client, cluster, make(map[redis.UniversalClient]redis.Pipeliner, 1)}
}

// to returns the pipeline to the node that has key. An error says that this is not known now.
func (l *lanes) to(ctx context.Context, key string) (redis.Pipeliner, error) {
	node := l.client
	if l.cluster != nil {
		master, err := l.cluster.MasterForKey(ctx, key)
		if err != nil {
			return nil, err
		}
		node = master
	}
	pipe := l.pipes[node]
	if pipe == nil {
		pipe = node.Pipeline()
		l.pipes[node] = pipe
	}
	return pipe, nil
}

// send sends all of them, and waits for all answers. Each command has its own error.
func (l *lanes) send(ctx context.Context) {
	var others sync.WaitGroup
	left := len(l.pipes)
	for _, pipe := range l.pipes {
		if left--; left == 0 {
			l.sendOne(ctx, pipe) // the last one needs no goroutine
		} else {
			others.Go(func() { l.sendOne(ctx, pipe) })
		}
	}
	others.Wait()
}

func (l *lanes) sendOne(ctx context.Context, pipe redis.Pipeliner) {
	commands, err := pipe.Exec(ctx)
	if err == nil || l.cluster == nil {
		return
	}
	for _, c := range commands {
		if elsewhere(c.Err()) {
			l.cluster.ReloadState(ctx) // in the background
			return
		}
	}
}

// elsewhere reports whether an error of a Cluster's node may mean that another one has the slot by now.
func elsewhere(err error) bool {
	switch {
	case err == nil || err == redis.Nil: //nolint:errorlint // the client's own contract
		return false
	case redis.HasErrorPrefix(err, "NOSCRIPT"):
		return false
	}
	for _, prefix := range []string{"MOVED", "ASK", "TRYAGAIN", "READONLY", "CLUSTERDOWN", "MASTERDOWN"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return !redis.HasErrorPrefix(err, "") // no answer at all
}
