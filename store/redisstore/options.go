package redisstore

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options returns options for [redis.NewUniversalClient] with which a server in trouble costs a request milliseconds
// rather than seconds: short timeouts (100 ms to connect, 150 ms to read or write, 25 ms for a connection from the
// pool), no repetition inside the client, deadlines honoured, two connections kept ready, masters only.
//
// One address is a single node, several are a Cluster; for Sentinel set MasterName. Every field may be changed.
func Options(addrs ...string) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs:                 addrs,
		DialTimeout:           100 * time.Millisecond,
		ReadTimeout:           150 * time.Millisecond,
		WriteTimeout:          150 * time.Millisecond,
		PoolTimeout:           25 * time.Millisecond,
		MaxRetries:            -1,
		DialerRetries:         1,
		ContextTimeoutEnabled: true,
		MinIdleConns:          2,
		MaxRedirects:          3,
	}
}

// ParseURL returns [Options] for the server in a URL "redis://user:password@host:6379/0", or "rediss://…" for TLS.
// What the URL says as go-redis reads it ("?read_timeout=1s") counts instead of ours. The error names what is wrong with
// the URL, but not the URL, which may hold a password.
func ParseURL(url string) (*redis.UniversalOptions, error) {
	parsed, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf(`redisstore: the URL cannot be read: write "redis://user:password@host:6379/0", or "rediss://" for TLS`)
	}
	if parsed.Network != "" && parsed.Network != "tcp" {
		return nil, fmt.Errorf("redisstore: the URL is of a %s socket: only redis:// and rediss:// are understood", parsed.Network)
	}
	o := Options(parsed.Addr)
	o.DB, o.Username, o.Password = parsed.DB, parsed.Username, parsed.Password
	o.TLSConfig, o.Protocol, o.ClientName = parsed.TLSConfig, parsed.Protocol, parsed.ClientName
	o.PoolFIFO, o.PoolSize, o.MaxIdleConns, o.MaxActiveConns = parsed.PoolFIFO, parsed.PoolSize, parsed.MaxIdleConns, parsed.MaxActiveConns
	o.MinRetryBackoff, o.MaxRetryBackoff = parsed.MinRetryBackoff, parsed.MaxRetryBackoff
	o.ConnMaxIdleTime, o.ConnMaxLifetime = parsed.ConnMaxIdleTime, parsed.ConnMaxLifetime
	for _, d := range []struct{ ours, theirs *time.Duration }{
		{&o.DialTimeout, &parsed.DialTimeout}, {&o.ReadTimeout, &parsed.ReadTimeout},
		{&o.WriteTimeout, &parsed.WriteTimeout}, {&o.PoolTimeout, &parsed.PoolTimeout},
	} {
		if *d.theirs != 0 {
			*d.ours = *d.theirs
		}
	}
	if parsed.MaxRetries != 0 {
		o.MaxRetries = parsed.MaxRetries
	}
	if parsed.MinIdleConns != 0 {
		o.MinIdleConns = parsed.MinIdleConns
	}
	return o, nil
}
