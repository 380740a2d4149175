package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/store"
)

// call is one run of a script on one shard, and the records to fetch in the same trip.
type call struct {
	script *script
	keys   []string
	args   []any
	gets   []string
	copies int // how many replicas have to have it; 0: it does not matter

	reply  *redis.Cmd
	bodies []*redis.StringCmd
	copied *redis.Cmd // how many have it
}

// newCall begins a call: the keys and arguments that every script has.
func (s *Store) newCall(sc *script, shard int) *call {
	p := &s.places[shard]
	return &call{script: sc, keys: []string{p.clock, p.table}, args: []any{s.layout, nonce()}}
}

// nonce returns 128 random bits.
func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// send makes the calls in one trip, to several nodes at once if need be. Where the server does not know a script the
// call is made again with its source, in the same time. What came of a call is in the call.
func (s *Store) send(ctx context.Context, calls []*call) {
	s.trip(ctx, calls, false)
	var unknown []*call
	for _, c := range calls {
		if err := c.reply.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) > 0 {
		s.trip(ctx, unknown, true)
	}
}

func (s *Store) trip(ctx context.Context, calls []*call, whole bool) {
	all := s.lanes()
	for _, c := range calls {
		c.bodies = c.bodies[:0]
		pipe, err := all.to(ctx, c.keys[0])
		if err != nil {
			c.reply = redis.NewCmd(ctx)
			c.reply.SetErr(err)
			continue
		}
		if whole {
			c.reply = pipe.Eval(ctx, c.script.source, c.keys, c.args...)
		} else {
			c.reply = pipe.EvalSha(ctx, c.script.name, c.keys, c.args...)
		}
		for _, name := range c.gets {
			c.bodies = append(c.bodies, pipe.Get(ctx, name))
		}
	}
	all.awaitCopies(ctx, calls)
	all.send(ctx)
}

var (
	errNotMaster = errors.New("redisstore: the server is a replica: connect to the master")
	errReply     = errors.New("redisstore: the reply of a script is not as expected: is the namespace used by something else?")
)

// layoutError says that the namespace is in use with another layout.
type layoutError struct{ found, ours string }

func (e *layoutError) Error() string {
	fix := "set the same Config.Shards everywhere, or choose another namespace"
	if version, _, _ := strings.Cut(e.ours, "/"); !strings.HasPrefix(e.found, version+"/") {
		fix = "another release of this package keeps it so: choose another namespace, or delete its keys ending in \":m\" when that is gone"
	}
	return fmt.Sprintf("redisstore: the namespace is in use with the layout %q, ours is %q (version/shards): %s", e.found, e.ours, fix)
}

// answer returns a script's reply, and its status if that is not an error.
func (c *call) answer(layout string) (reply []any, status int64, err error) {
	reply, err = c.reply.Slice()
	if err != nil {
		return nil, 0, err
	}
	if len(reply) > 0 {
		status, _ = reply[0].(int64)
	}
	switch {
	case len(reply) == 0 || status > statusOK || status < statusLayout:
		return nil, 0, errReply
	case status == statusNotMaster:
		return nil, 0, errNotMaster
	case status == statusLayout:
		found := ""
		if len(reply) > 1 {
			found, _ = reply[1].(string)
		}
		return nil, 0, &layoutError{found, layout}
	}
	return reply, status, nil
}

// fenceOf reads the epoch and the clock that follow the status of a reply.
func fenceOf(reply []any) (f store.Fence, ok bool) {
	if len(reply) < 3 {
		return f, false
	}
	name, _ := reply[1].(string)
	tick, ok := reply[2].(int64)
	if !ok || tick < 0 || len(name) != len(f.Epoch) {
		return f, false
	}
	copy(f.Epoch[:], name)
	f.Tick = uint64(tick)
	return f, true
}
