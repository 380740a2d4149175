package target

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// The targets.
const (
	Echo        = "echo"              // bare; the base of the comparison
	EchoLength  = "echo, length set"  // bare, with a Content-Length of its own
	EchoOrigin  = "echo origin"       // bare, and counts: what stands behind a proxy
	Gin         = "gin"               // bare
	Ours        = "echocache"         // in memory
	EchoHTTP    = "echo-http-cache"   // SporkHubr
	Souin       = "souin"             // its default store
	Stampede    = "stampede"          // under echo.WrapMiddleware
	HTTPCache   = "http-cache"        // victorspringer, under echo.WrapMiddleware
	GinCache    = "gin-cache"         // in memory, on gin
	RedisNaive  = "go-redis GET"      // an Echo handler that asks Redis for the body, and no cache
	RedisOurs   = "echocache, redis"  // behind the breaker
	RedisTiered = "echocache, tiered" // memory in front, by leases
	RedisGin    = "gin-cache, redis"
)

// Config is what a target is opened with.
type Config struct {
	Size  int           // of the body
	TTL   time.Duration // of what it keeps
	Delay time.Duration // of the origin
	Redis string        // host and port, for the targets that need one
	Extra int           // headers of the origin besides Content-Type; only ours
	Tags  int           // only ours; 0 = all three
}

// Target is one of them, open. The handler may be called concurrently.
type Target struct {
	Name   string
	Cached bool // the origin must not run on a hit
	Keeps  bool // it has an origin that is counted
	http.Handler

	origin *origin
	close  func() error
}

// Runs returns how often the origin has run.
func (t *Target) Runs() int64 {
	if t.origin == nil {
		return 0
	}
	return t.origin.runs.Load()
}

// Close ends what the target has started.
func (t *Target) Close() error {
	if t.close == nil {
		return nil
	}
	return t.close()
}

// opened is what a constructor returns besides its handler.
type opened struct {
	handler http.Handler
	origin  *origin // nil: nothing is counted
	close   func() error
}

var constructors = map[string]func(c Config) (opened, error){
	Echo:        bareEcho(false),
	EchoLength:  bareEcho(true),
	EchoOrigin:  countingEcho,
	Gin:         bareGin,
	Ours:        oursInMemory,
	EchoHTTP:    echoHTTPCache,
	Souin:       souinOnEcho,
	Stampede:    stampedeOnEcho,
	HTTPCache:   httpCacheOnEcho,
	GinCache:    ginCacheInMemory,
	RedisNaive:  naiveRedis,
	RedisOurs:   oursInRedis,
	RedisTiered: oursTiered,
	RedisGin:    ginCacheInRedis,
}

// uncached are those that run their handler for every request.
var uncached = []string{Echo, EchoLength, EchoOrigin, Gin, RedisNaive}

// Uncached returns the names of those that run their handler for every request.
func Uncached() []string { return slices.Clone(uncached) }

// Names returns the names of all targets.
func Names() []string { return slices.Sorted(maps.Keys(constructors)) }

// Open makes a target ready.
func Open(name string, c Config) (*Target, error) {
	construct, ok := constructors[name]
	if !ok {
		return nil, fmt.Errorf("target: no %q", name)
	}
	o, err := construct(c)
	if err != nil {
		return nil, fmt.Errorf("target: open %s: %w", name, err)
	}
	return &Target{
		Name: name, Cached: !slices.Contains(uncached, name), Keeps: o.origin != nil,
		Handler: o.handler, origin: o.origin, close: o.close,
	}, nil
}
