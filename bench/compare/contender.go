package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/echocache/echocache/bench/internal/load"
	"github.com/echocache/echocache/bench/internal/proc"
	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// The proxies, which are no target of our own.
const (
	varnish = "varnish"
	nginx   = "nginx"
)

// contender is a server in a comparison.
type contender struct {
	name   string
	server *proc.Server
	origin *proc.Server // says how often the origin ran: the server itself, or what stands behind a proxy
	cached bool
	size   int
	out    bool // it failed
}

// open starts a contender. args are those of its role.
func (r *runner) open(ctx context.Context, name string, size int, args ...string) (*contender, error) {
	c := &contender{name: name, size: size, cached: !slices.Contains(target.Uncached(), name)}
	args = append(args, "-size", strconv.Itoa(size))
	role := func(name string) []string { return append([]string{roleServe, "-target", name}, args...) }
	var err error
	switch name {
	case varnish, nginx:
		if c.origin, err = proc.Self(ctx, role(target.EchoOrigin)...); err != nil {
			return nil, err
		}
		run := map[string]func(context.Context, string) (*proc.Server, error){varnish: proc.Varnish, nginx: proc.Nginx}[name]
		if c.server, err = run(ctx, c.origin.Addr); err != nil {
			return nil, errors.Join(err, c.origin.Stop())
		}
	default:
		if c.server, err = proc.Self(ctx, role(name)...); err != nil {
			return nil, err
		}
		c.origin = c.server
	}
	return c, nil
}

func (c *contender) stop() error {
	err := c.server.Stop()
	if c.origin != c.server {
		err = errors.Join(err, c.origin.Stop())
	}
	return err
}

// runs asks how often the origin has run. A server that has just been under load may need more than one try.
func (c *contender) runs(ctx context.Context) (n int64, err error) {
	for range 5 {
		if n, err = c.count(ctx); err == nil || ctx.Err() != nil {
			break
		}
		if gone := c.origin.Ended(); gone != nil {
			return 0, gone
		}
		time.Sleep(200 * time.Millisecond)
	}
	return n, err
}

func (c *contender) count(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.origin.Control, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := controls.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(body)), 10, 64)
}

// controls is the client of the control ports. It uses no proxy.
var controls = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// warm has the page made, and asks a few times more.
func (c *contender) warm(ctx context.Context) error {
	for range 10 {
		if err := load.Check(ctx, c.server.Addr, 7, c.size); err != nil {
			return err
		}
	}
	_, err := load.Pace(ctx, c.server.Addr, 8, c.size, 500, 200*time.Millisecond)
	return err
}

// under measures the contender while load runs. It fails if the origin of a cache ran meanwhile, and if an answer before
// or after was wrong, besides those that the load itself has found wrong.
func (c *contender) under(ctx context.Context, redis *proc.Server, run func(addr string) (load.Result, error)) (map[string]float64, error) {
	if err := load.Check(ctx, c.server.Addr, 7, c.size); err != nil {
		return nil, err
	}
	before, err := c.runs(ctx)
	if err != nil {
		return nil, err
	}
	watched := []*proc.Server{c.server}
	if redis != nil {
		watched = append(watched, redis)
	}
	began := cpu(watched)
	result, err := run(c.server.Addr)
	if gone := c.server.Ended(); gone != nil {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	used := cpu(watched)
	after, err := c.runs(ctx)
	if err != nil {
		return nil, err
	}
	if c.cached && after != before {
		return nil, fmt.Errorf("%w %d times", target.ErrOriginRan, after-before)
	}
	if err := load.Check(ctx, c.server.Addr, 7, c.size); err != nil {
		return nil, err
	}
	values := map[string]float64{
		record.Rate: result.Rate, record.P50: micros(result.P50), record.P99: micros(result.P99), record.Late: micros(result.Late),
	}
	for i, metric := range []string{record.CPU, record.RedisCPU}[:len(watched)] {
		if used[i] > 0 {
			values[metric] = micros(used[i]-began[i]) / float64(result.Requests)
		}
	}
	return values, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// cpu is the time that the servers have used; 0 where the system does not tell.
func cpu(servers []*proc.Server) []time.Duration {
	used := make([]time.Duration, len(servers))
	for i, s := range servers {
		used[i], _ = s.CPU()
	}
	return used
}
