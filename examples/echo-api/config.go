package main

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// defaultLatency is what a database in the same data centre costs. SQLite answers in microseconds, and a cache in front
// of it would have nothing to save.
const defaultLatency = 20 * time.Millisecond

// defaultPageTTL is how long a page is fresh. A write evicts what it changes, so this only bounds what nobody tells of.
const defaultPageTTL = 5 * time.Minute

// config is what the environment says.
type config struct {
	Addr     string        // ADDR: where to listen
	Database string        // DATABASE: a file; empty: a temporary one, removed at exit
	Latency  time.Duration // DB_LATENCY: how long every call of the database takes longer than it would
	Version  string        // VERSION: this release; part of every key of the cache
	Warm     bool          // WARM: whether the cache is filled before the first request
	PageTTL  time.Duration // PAGE_TTL: how long pages of products are fresh; what they are made of is kept longer
	FailRate float64       // FAIL_RATE: the fraction of the database's calls that fail, once the shop is open

	RedisURL      string // REDIS_URL: redis://user:password@host:6379/0, or rediss:// for TLS
	RedisAddr     string // REDIS_ADDR: one address, or several of a Cluster or, with RedisMaster, of Sentinels
	RedisMaster   string // REDIS_MASTER: the name that the Sentinels know
	RedisUsername string // REDIS_USERNAME
	RedisPassword string // REDIS_PASSWORD
	RedisTLS      string // REDIS_TLS: 1 or 0
}

// readConfig reads the environment. Everything has a default; a value that cannot be meant is an error.
func readConfig(getenv func(string) string) (config, error) {
	c := config{
		Addr:     cmp.Or(getenv("ADDR"), "127.0.0.1:8080"),
		Database: getenv("DATABASE"),
		Latency:  defaultLatency,
		Version:  cmp.Or(getenv("VERSION"), "dev"),
		PageTTL:  defaultPageTTL,

		RedisURL: getenv("REDIS_URL"), RedisAddr: getenv("REDIS_ADDR"), RedisMaster: getenv("REDIS_MASTER"),
		RedisUsername: getenv("REDIS_USERNAME"), RedisPassword: getenv("REDIS_PASSWORD"), RedisTLS: getenv("REDIS_TLS"),
	}
	if text := getenv("DB_LATENCY"); text != "" {
		latency, err := time.ParseDuration(text)
		if err != nil || latency < 0 {
			return config{}, fmt.Errorf("DB_LATENCY is %q: use a duration such as 20ms, or 0", text)
		}
		c.Latency = latency
	}
	if text := getenv("PAGE_TTL"); text != "" {
		ttl, err := time.ParseDuration(text)
		if err != nil || ttl <= 0 {
			return config{}, fmt.Errorf("PAGE_TTL is %q: use a positive duration such as 5m", text)
		}
		c.PageTTL = ttl
	}
	if text := getenv("FAIL_RATE"); text != "" {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil || !(rate >= 0 && rate <= 1) {
			return config{}, fmt.Errorf("FAIL_RATE is %q: use a fraction from 0 to 1", text)
		}
		c.FailRate = rate
	}
	switch text := getenv("WARM"); text {
	case "", "0":
	case "1":
		c.Warm = true
	default:
		return config{}, fmt.Errorf("WARM is %q: use 1 or 0", text)
	}
	return c, nil
}
