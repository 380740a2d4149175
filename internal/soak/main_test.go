package soak_test

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// length is for how long faults are injected; what has to heal afterwards is not counted.
var length = flag.Duration("soak", 5*time.Second, "for how long the soak test runs")

// TestMain keeps go-redis from telling of every connection that a test has broken.
func TestMain(m *testing.M) {
	flag.Parse()
	redis.SetLogger(quiet{})
	os.Exit(m.Run())
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
