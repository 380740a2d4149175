package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store/memstore"
)

func TestCheckNamesFieldValueAndFix(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		config breaker.Config
		want   []string
	}{
		{breaker.Config{MaxPending: -1}, []string{"MaxPending", "-1", "65536"}},
		{breaker.Config{MaxCalls: -2}, []string{"MaxCalls", "-2", "256"}},
		{breaker.Config{LookupTimeout: -1}, []string{"LookupTimeout", "-1ns", "50ms"}},
		{breaker.Config{SlowLookup: -1}, []string{"SlowLookup", "-1ns", "50ms"}},
		{breaker.Config{SlowLookup: 50 * time.Millisecond}, []string{"SlowLookup", "50ms", "less than"}},
		{breaker.Config{LookupTimeout: 50}, []string{"LookupTimeout", "50ns", "1ms"}},
		{breaker.Config{StoreTimeout: -time.Second}, []string{"StoreTimeout", "-1s", "100ms"}},
		{breaker.Config{EvictTimeout: -time.Second}, []string{"EvictTimeout", "-1s", "500ms"}},
	} {
		b := breaker.New(memstore.New(memstore.Config{}), row.config)
		err := b.Check()
		for _, part := range row.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("Check = %v, want %q in it", err, part)
			}
		}
		if b.State() != breaker.Open {
			t.Error("it is not open")
		}
		if again := b.Evict(t.Context(), "a"); !errors.Is(again, err) {
			t.Errorf("Evict = %v, want Check's error", again)
		}
		if err := errors.Join(b.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	}
	none := breaker.New(nil, breaker.Config{})
	if err := none.Check(); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("without a backend: Check = %v", err)
	}
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

func TestCheckIsTheBackendsToo(t *testing.T) {
	t.Parallel()
	b := breaker.New(memstore.New(memstore.Config{Shards: 3}), breaker.Config{})
	defer b.Close()
	if err := b.Check(); err == nil || !strings.Contains(err.Error(), "Shards") {
		t.Errorf("Check = %v", err)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err  error
		want breaker.Class
	}{
		{context.DeadlineExceeded, breaker.Failure},
		{context.Canceled, breaker.Failure}, // not the caller's
		{os.ErrDeadlineExceeded, breaker.Failure},
		{io.EOF, breaker.Failure},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), breaker.Failure},
		{net.ErrClosed, breaker.Failure},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, breaker.Failure},
		{syscall.ECONNRESET, breaker.Failure},
		{errors.New("READONLY You can't write against a read only replica"), breaker.Failure},
		{errors.New("LOADING Redis is loading the dataset in memory"), breaker.Failure},
		{errors.New("CLUSTERDOWN Hash slot not served"), breaker.Failure},
		{errors.New("MASTERDOWN Link with MASTER is down"), breaker.Failure},
		{errors.New("NOREPLICAS Not enough good replicas to write"), breaker.Failure},
		{errors.New("BUSY Redis is busy running a script"), breaker.Failure},
		{errors.New("TRYAGAIN Multiple keys request during rehashing of slot"), breaker.Failure},
		{fmt.Errorf("redisstore: store: %w", errors.New("LOADING dataset")), breaker.Failure},
		{errors.Join(errors.New("shard 3"), fmt.Errorf("shard 4: %w", errors.New("READONLY replica"))), breaker.Failure},
		{errors.New("OOM command not allowed"), breaker.Success},
		{fmt.Errorf("redisstore: %w", errors.New("WRONGTYPE Operation")), breaker.Success},
		{errors.New("BUSYGROUP Consumer Group name already exists"), breaker.Unclassified},
		{errors.New("the server says LOADING"), breaker.Unclassified},
		{errors.New(""), breaker.Unclassified},
		{nil, breaker.Unclassified},
	} {
		if got := breaker.Classify(row.err); got != row.want {
			t.Errorf("%v: %v, want %v", row.err, got, row.want)
		}
	}
}

func TestTheApplicationMayClassify(t *testing.T) {
	t.Parallel()
	for _, want := range []breaker.Class{breaker.Success, breaker.Failure, breaker.Ignored, breaker.Unclassified} {
		t.Run(want.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, breaker.Config{Classify: func(err error) breaker.Class {
					if !errors.Is(err, errDown) {
						t.Errorf("asked about %v", err)
					}
					return want
				}})
				r.back.is(down)
				for range 30 {
					_, _ = r.Lookup(t.Context(), "k")
				}
				open := want == breaker.Failure || want == breaker.Unclassified
				if got := r.State(); open != (got != breaker.Closed) {
					t.Errorf("State = %v", got)
				}
			})
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	got := fmt.Sprint(breaker.Closed, breaker.Open, breaker.HalfOpen, breaker.State(9),
		breaker.Success, breaker.Failure, breaker.Ignored, breaker.Unclassified)
	if want := "closed open half-open unknown success failure ignored unclassified"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
