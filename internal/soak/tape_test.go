package soak_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// tape is a sample of the history, for a second judgement: all evictions that were confirmed at once and some of the
// reads. What is left out only makes it milder.
type tape struct {
	began time.Time
	mu    sync.Mutex
	ops   []op
}

// op is one operation of a history.
type op struct {
	evict        bool
	row          int
	version      int64
	call, answer time.Duration // since the tape began
}

const (
	tapeMost  = 60_000
	tapeEvery = 10
)

func (t *tape) read(i *instance, k int, version int64, began time.Time) {
	if !i.bounded && rand.IntN(tapeEvery) == 0 {
		t.add(op{row: k, version: version, call: began.Sub(t.began), answer: time.Since(t.began)})
	}
}

func (t *tape) evicted(k int, version int64, began time.Time) {
	t.add(op{evict: true, row: k, version: version, call: began.Sub(t.began), answer: time.Since(t.began)})
}

func (t *tape) add(o op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ops) < tapeMost {
		t.ops = append(t.ops, o)
	}
}

// model is a row as a register that only grows: an eviction raises it, and a read gives at least what it holds.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, rows)
		for _, o := range history {
			k := o.Input.(op).row
			parts[k] = append(parts[k], o)
		}
		return parts
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		floor, o := state.(int64), input.(op)
		if o.evict {
			return true, max(floor, o.version)
		}
		return o.version >= floor, floor
	},
}

// judge has porcupine look for an order in which all of the sample could have happened, one after the other.
func (t *tape) judge(limit time.Duration) (porcupine.CheckResult, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	history := make([]porcupine.Operation, len(t.ops))
	for n, o := range t.ops {
		history[n] = porcupine.Operation{ClientId: n, Input: o, Call: int64(o.call), Return: int64(o.answer)}
	}
	return porcupine.CheckOperationsTimeout(model, history, limit), len(history)
}

// TestTheSecondJudgeNotices has a version read after a newer one was evicted, and while it is.
func TestTheSecondJudgeNotices(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		read time.Duration
		want porcupine.CheckResult
	}{"during": {15, porcupine.Ok}, "after": {21, porcupine.Illegal}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := tape{ops: []op{
				{evict: true, version: 2, call: 10, answer: 20},
				{version: 1, call: tt.read, answer: 30},
			}}
			if got, _ := h.judge(time.Minute); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
