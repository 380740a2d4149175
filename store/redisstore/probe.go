package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	probeEvery = 30 * time.Second // while all is well
	probeSoon  = time.Second      // while it is not, at most
)

// probes looks at the server, one look at a time.
type probes struct {
	mu   sync.Mutex
	look *look     // under way, or nil
	last time.Time // when the last one ended
	soon bool      // something was odd: do not wait for probeEvery
}

// look is one look at the server. err is written before done is closed.
type look struct {
	done chan struct{}
	err  error
}

// hasten has the server looked at again at the next use, though not more often than probeSoon.
func (p *probes) hasten() {
	p.mu.Lock()
	p.soon = true
	p.mu.Unlock()
}

// ready returns what is known of the server. At the first use it waits for that, as long as ctx lasts, and again while it
// was found to be a replica; later on it has the server looked at again now and then, and does not wait.
func (s *Store) ready(ctx context.Context) (*standing, error) {
	if known := s.standing.Load(); known != nil && !known.replica() {
		s.lookAgain(known)
		return known, nil
	}
	l := s.look()
	if l == nil {
		return nil, errClosed
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, late(ctx)
	}
	if known := s.standing.Load(); known != nil {
		return known, nil
	}
	return nil, l.err
}

// lookAgain begins another look if one is due.
func (s *Store) lookAgain(known *standing) {
	age := time.Since(known.found)
	if age < probeSoon {
		return
	}
	p := &s.probes
	p.mu.Lock()
	due := time.Since(p.last) >= probeSoon && (p.soon || known.grade < s.config.Grade || age >= probeEvery)
	p.mu.Unlock()
	if due {
		s.look()
	}
}

// look begins a look, or joins the one under way. It returns nil after Close.
func (s *Store) look() *look {
	p := &s.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.look != nil {
		return p.look
	}
	if !s.begin() {
		return nil
	}
	l := &look{done: make(chan struct{})}
	p.look, p.soon = l, false
	go func() {
		defer s.work.Done()
		ctx, cancel := context.WithTimeout(context.Background(), s.config.EvictTimeout)
		defer cancel()
		known, err := s.probe(ctx)
		if err == nil {
			s.settle(known)
		}
		p.mu.Lock()
		p.look, p.last, l.err = nil, time.Now(), err
		p.mu.Unlock()
		close(l.done)
	}()
	return l
}

// probe finds out what the server is good for. An error means that it could not be found out now.
func (s *Store) probe(ctx context.Context) (*standing, error) {
	known := &standing{grade: GradeExact, identity: true, found: time.Now()}
	replicas, err := s.askAll(ctx)
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		known.grade, known.identity, known.why = GradeUntilFailover, false, err
	case err != nil && finding(err):
		return &standing{grade: GradeNone, identity: true, why: fmt.Errorf("redisstore: %w", err), found: known.found}, nil
	case err != nil:
		return nil, fmt.Errorf("redisstore: look at the server: %w", err)
	case replicas > 0:
		known.grade, known.why = GradeExceptSplitBrain, errHasReplicas
		least := s.minReplicas(ctx)
		if least >= replicas {
			known.why = errMinReplicas
		}
		known.copies = cmp.Or(least, replicas)
	}
	if s.silent(known) {
		return known, nil
	}
	if err := s.touchAll(ctx, known.scripts()); err != nil {
		if !finding(err) {
			return nil, fmt.Errorf("redisstore: look at the server: %w", err)
		}
		known.grade, known.why = GradeNone, err
	}
	return known, nil
}

// refusedError says that scripts may not use INFO.
type refusedError struct{ said string }

func (e *refusedError) Error() string {
	return fmt.Sprintf("redisstore: scripts may not use INFO, so a failover goes unnoticed: allow it (ACL SETUSER … +info), or "+
		"accept that with Config.Grade: GradeUntilFailover (the server says %.200q)", e.said)
}

// askAll asks the server of every shard what it says to a script about replication, and returns the most replicas that
// one has.
func (s *Store) askAll(ctx context.Context) (replicas int, err error) {
	calls := make([]*call, len(s.places))
	for i := range calls {
		calls[i] = &call{script: ask, keys: []string{s.places[i].clock}}
	}
	s.send(ctx, calls)
	for _, c := range calls {
		reply, err := c.reply.Slice()
		if err != nil {
			return 0, err
		}
		if len(reply) != 2 {
			return 0, errReply
		}
		text, _ := reply[1].(string)
		if reply[0] != int64(1) {
			return 0, &refusedError{text}
		}
		if infoField(text, "role") != "master" {
			return 0, errNotMaster
		}
		n, _ := strconv.Atoi(infoField(text, "connected_slaves")) // none, if it does not say
		replicas = max(replicas, n)
	}
	return replicas, nil
}

// infoField returns a field of what INFO says.
func infoField(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// touchAll opens the clock of every shard, and so learns whether the namespace is in use with another layout.
func (s *Store) touchAll(ctx context.Context, set *scripts) error {
	calls := make([]*call, len(s.places))
	for i := range calls {
		calls[i] = s.newCall(set.touch, i)
	}
	s.send(ctx, calls)
	for _, c := range calls {
		if _, _, err := c.answer(s.layout); err != nil {
			return err
		}
	}
	return nil
}

// minReplicas returns the least min-replicas-to-write of all masters, 0 if that cannot be read.
func (s *Store) minReplicas(ctx context.Context) int {
	var mu sync.Mutex
	least := -1
	read := func(ctx context.Context, c redis.Cmdable) {
		n := 0
		if values, err := c.ConfigGet(ctx, "min-replicas-to-write").Result(); err == nil {
			n, _ = strconv.Atoi(values["min-replicas-to-write"]) // 0, if it is not a number
		}
		mu.Lock()
		defer mu.Unlock()
		if least < 0 || n < least {
			least = n
		}
	}
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		_ = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
			read(ctx, c)
			return nil
		})
	} else {
		read(ctx, s.client)
	}
	return max(least, 0)
}
