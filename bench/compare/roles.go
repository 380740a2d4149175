package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/echocache/echocache/bench/internal/proc"
	"github.com/echocache/echocache/bench/internal/target"
)

// What this program does when it runs itself.
const (
	roleServe = "serve"
	roleHit   = "hit"
)

// forever is longer than any run.
const forever = 24 * time.Hour

// targetFlags are the flags that name a target.
func targetFlags(flags *flag.FlagSet) (name *string, c *target.Config) {
	c = &target.Config{}
	flags.IntVar(&c.Size, "size", 1024, "bytes of the body")
	flags.DurationVar(&c.TTL, "ttl", forever, "how long it keeps a page")
	flags.DurationVar(&c.Delay, "delay", 0, "how long its origin takes")
	flags.StringVar(&c.Redis, "redis", "", "where Redis is")
	return flags.String("target", target.Echo, "which one"), c
}

// serve answers with a target until the context ends, and on another port says how often its origin has run.
func serve(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet(roleServe, flag.ContinueOnError)
	name, config := targetFlags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	opened, err := target.Open(*name, *config)
	if err != nil {
		return err
	}
	control := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, opened.Runs()) })
	page, err1 := listen(ctx, opened)
	counts, err2 := listen(ctx, control)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := say(out, proc.Hello{Addr: page.Addr, Control: counts.Addr}); err != nil {
		return err
	}
	<-ctx.Done()
	return errors.Join(page.Close(), counts.Close(), opened.Close())
}

func listen(ctx context.Context, h http.Handler) (*http.Server, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &http.Server{Addr: l.Addr().String(), Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }() // ends at Close
	return s, nil
}

// hit measures one target in this process and says what a hit costs.
func hit(args []string, out io.Writer) error {
	testing.Init()
	flags := flag.NewFlagSet(roleHit, flag.ContinueOnError)
	name, config := targetFlags(flags)
	parallel := flags.Bool("parallel", false, "from as many goroutines as there are processors")
	lasts := flags.String("benchtime", "200ms", "how long it takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := flag.Set("test.benchtime", *lasts); err != nil {
		return err
	}
	opened, err := target.Open(*name, *config)
	if err != nil {
		return err
	}
	cost, err := opened.Hit(config.Size, *parallel)
	if err = errors.Join(err, opened.Close()); err != nil {
		return err
	}
	return say(out, cost)
}
