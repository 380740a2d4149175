package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/bench/internal/proc"
	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// goBench is a package's benchmarks, built once.
type goBench struct{ dir, binary, pattern string }

// build compiles the tests of a package. dir is its directory, from the root of the repository.
func (r *runner) build(ctx context.Context, temp, dir, pattern string) (goBench, error) {
	b := goBench{
		dir: filepath.Join(r.root, dir), binary: filepath.Join(temp, strings.ReplaceAll(dir, "/", "-")+".test"), pattern: pattern,
	}
	return b, goTool(ctx, b.dir, "test", "-c", "-o", b.binary, ".")
}

// goTool runs the go command in a directory, for that module alone.
func goTool(ctx context.Context, dir string, args ...string) error {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Env = dir, append(os.Environ(), "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s in %s: %w: %s", strings.Join(args, " "), dir, err, out)
	}
	return nil
}

// measurement is one line of a benchmark.
type measurement struct {
	name   string // without "Benchmark" and the number of processors
	values map[string]float64
}

// run runs each benchmark once. A benchmark that fails is an error.
func (b goBench) run(ctx context.Context, lasts time.Duration) ([]measurement, error) {
	command := exec.CommandContext(ctx, b.binary, "-test.run=^$", "-test.bench="+b.pattern, "-test.benchmem",
		"-test.benchtime="+lasts.String())
	command.Dir = b.dir
	out, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("the benchmarks of %s: %w: %s", b.dir, err, out)
	}
	return parseBench(string(out))
}

var benchLine = regexp.MustCompile(`^Benchmark(\S+?)(-\d+)?\s+\d+\s+(.*)$`)

// metrics are the names in a benchmark's line of what we keep.
var metrics = map[string]string{"ns/op": record.Nanoseconds, "B/op": record.Bytes, "allocs/op": record.Allocs, "ns/read": "ns/read"}

func parseBench(out string) ([]measurement, error) {
	var found []measurement
	for line := range strings.Lines(out) {
		parts := benchLine.FindStringSubmatch(strings.TrimSpace(line))
		if parts == nil {
			continue
		}
		m := measurement{name: parts[1], values: map[string]float64{}}
		fields := strings.Fields(parts[3])
		for i := 0; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			if metric, ok := metrics[fields[i+1]]; ok {
				m.values[metric] = v
			}
		}
		found = append(found, m)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no benchmark in %q", out)
	}
	return found, nil
}

// values measures store.GetOrSet beside its peers: the benchmarks of this module, each once a round.
func (r *runner) values(ctx context.Context) error {
	return r.each(ctx, record.Values, map[string]string{"bench": "^Benchmark(GetOrSetHit|ZipfHit)$"}, func(name string) (string, string) {
		// GetOrSetHit/plain/go-redis/cache/one: a benchmark, perhaps a kind, a target, a mode.
		parts := strings.Split(name, "/")
		kind, mode := parts[:1], map[string]string{"one": record.Serial, "parallel": record.Parallel}[parts[len(parts)-1]]
		if parts[0] == "GetOrSetHit" {
			kind = parts[:2]
		}
		who := strings.ReplaceAll(strings.Join(parts[len(kind):len(parts)-1], "/"), "_", " ")
		return strings.Join(kind, "/") + ", " + mode, who
	})
}

// parts measures what a hit from Redis consists of, and reads from one and two goroutines.
func (r *runner) parts(ctx context.Context) error {
	packages := map[string]string{
		"output": "^BenchmarkDecode$", "store/redisstore": "^BenchmarkDecode$", "bench": "^BenchmarkReads$",
	}
	err := r.each(ctx, record.Parts, packages, func(name string) (string, string) {
		parts := strings.Split(name, "/") // Decode/record/1024, Reads/go-cache/1
		switch last := parts[len(parts)-1]; last {
		case "1024":
			return record.DecodeSmall, parts[1]
		case "65536":
			return record.DecodeLarge, parts[1]
		case "1":
			return record.OneReader, parts[1]
		default:
			return record.TwoReaders, parts[1]
		}
	})
	if err != nil {
		return err
	}
	return r.storedSize(ctx)
}

// each runs packages' benchmarks in rounds. where says, of a benchmark's name, to which case and target it belongs.
func (r *runner) each(ctx context.Context, suite string, packages map[string]string, where func(string) (name, who string)) (err error) {
	temp, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	var built []goBench
	for dir, pattern := range packages {
		b, err := r.build(ctx, temp, dir, pattern)
		if err != nil {
			return err
		}
		built = append(built, b)
	}
	for round := range r.rounds {
		for _, b := range built {
			found, err := b.run(ctx, r.duration()/5)
			if err != nil {
				return err
			}
			for _, m := range found {
				name, who := where(m.name)
				r.results.Add(suite, name, who, round, m.values)
			}
		}
	}
	return nil
}

// storedSize has a page of 1 KiB, with five headers and two tags, stored in a Redis, and asks that how long it is.
func (r *runner) storedSize(ctx context.Context) (err error) {
	server, err := proc.Redis(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	const size = 1 << 10
	opened, err := target.Open(target.RedisOurs, target.Config{Size: size, TTL: time.Hour, Redis: server.Addr, Extra: 4, Tags: 2})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := opened.Ask(7, size); err != nil {
		return err
	}
	// What is stored is stored behind the answer.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		keys, err := client.Keys(ctx, "*:k:*").Result()
		if err != nil {
			return err
		}
		if len(keys) == 1 {
			n, err := client.StrLen(ctx, keys[0]).Result()
			r.results.Add(record.Parts, record.StoredSize, target.RedisOurs, 0, map[string]float64{record.Bytes: float64(n)})
			return err
		}
	}
	return errors.New("no page in Redis")
}
