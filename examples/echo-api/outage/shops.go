package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
)

const (
	shopPackage = "github.com/echocache/echocache/examples/echo-api"
	shopGrace   = 10 * time.Second // for a shop to end in good order
	host        = "shop.example"   // one for both: it is part of a page's key
)

// shops are the instances.
type shops struct {
	all   []*shop
	loads atomic.Int64 // from the database, at all of them
}

type shop struct {
	name, addr string
	process    *process
}

// openShops builds the shop unless it is handed one, and starts two instances.
func openShops(ctx context.Context, binary, folder, redisAddr string) (_ *shops, err error) {
	if binary == "" {
		binary = filepath.Join(folder, "echo-api")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, shopPackage)
		if said, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w: %s", shopPackage, err, said)
		}
	}
	f := &shops{}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	for _, name := range []string{"A", "B"} {
		addr, err := freeAddr(ctx)
		if err != nil {
			return nil, err
		}
		environ := append(os.Environ(), "ADDR="+addr, "DATABASE="+filepath.Join(folder, "shop.db"),
			"REDIS_ADDR="+redisAddr, "REDIS_URL=", "REDIS_MASTER=", "REDIS_TLS=", "WARM=0")
		p, err := spawn(environ, f.listen, binary)
		if err != nil {
			return nil, err
		}
		s := &shop{name: name, addr: addr, process: p}
		f.all = append(f.all, s)
		if err := s.wait(ctx); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// listen counts what a shop loads from its database, which its log says.
func (f *shops) listen(log io.Reader) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if bytes.Contains(lines.Bytes(), []byte(`msg="products loaded"`)) {
			f.loads.Add(1)
		}
	}
	_, _ = io.Copy(io.Discard, log) // a line too long must not hold the shop up
}

func (s *shop) wait(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < startWait; {
		if _, err := s.get(ctx, "/healthz"); err == nil {
			return nil
		}
		select {
		case <-s.process.ended:
			return fmt.Errorf("shop %s ended at once: %w", s.name, s.process.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("shop %s did not answer within %s", s.name, startWait)
}

func (s *shop) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Host = host
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err == nil && w.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s says %s", path, w.Status)
	}
	return body, err
}

// close ends the instances, all at once, and reports those that did not end in good order.
func (f *shops) close() error {
	ends := make(chan error, len(f.all))
	for _, s := range f.all {
		go func() {
			err := s.process.stop(shopGrace)
			if err != nil {
				err = fmt.Errorf("shop %s: %w", s.name, err)
			}
			ends <- err
		}()
	}
	var errs []error
	for range f.all {
		errs = append(errs, <-ends)
	}
	return errors.Join(errs...)
}
