package security_test

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
)

// mute has go-redis say nothing of the servers that are stopped on purpose.
type mute struct{}

func (mute) Printf(context.Context, string, ...any) {}

// TestMain runs more tests at once than there are processors, unless told how many: most of them wait for a server.
func TestMain(m *testing.M) {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	redis.SetLogger(mute{})
	os.Exit(m.Run())
}
