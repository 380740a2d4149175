package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver: SQLite in Go, without cgo
)

// database is the shop's SQLite file. Its methods may be called concurrently.
type database struct {
	read    *sql.DB
	write   *sql.DB // one connection: SQLite has one writer at a time, and waiting here is cheaper than in its locks
	latency time.Duration
	folder  string // a temporary one, removed by Close; empty if the file is to be kept
	// failRate is the fraction of calls that fail, as the bits of a float64.
	failRate atomic.Uint64
}

// openDatabase opens the file, and makes schema and products if it has none. Without a file it makes a temporary one,
// which Close removes. Several processes may open the same file at once.
func openDatabase(ctx context.Context, file string, latency time.Duration) (_ *database, err error) {
	d := &database{latency: latency}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open the database %q: %w", file, err), d.Close())
		}
	}()
	if file == "" {
		if d.folder, err = os.MkdirTemp("", "echo-api-"); err != nil {
			return nil, err
		}
		file = filepath.Join(d.folder, "shop.db")
	}
	if file, err = filepath.Abs(file); err != nil {
		return nil, err
	}
	// The writer goes first: it makes the file, and turns on the log that lets readers read while it writes. Its
	// transactions take their lock when they begin, so that two processes wait for each other there instead of failing
	// half-way.
	d.write, err = openFile(file, url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)"}})
	if err != nil {
		return nil, err
	}
	d.write.SetMaxOpenConns(1)
	if err = d.change(ctx, seed); err != nil {
		return nil, err
	}
	if d.read, err = openFile(file, url.Values{"_pragma": {"query_only(1)"}}); err != nil {
		return nil, err
	}
	d.read.SetMaxOpenConns(8)
	d.read.SetMaxIdleConns(8)
	return d, nil
}

// openFile returns a handle whose connections are opened with the options of the driver and those that all of them need.
func openFile(file string, options url.Values) (*sql.DB, error) {
	options["_pragma"] = append(options["_pragma"], "busy_timeout(5000)", "foreign_keys(1)")
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(file), RawQuery: options.Encode()}
	return sql.Open("sqlite", name.String())
}

// Close closes the file, and removes it if it is temporary.
func (d *database) Close() error {
	var errs []error
	for _, handle := range []*sql.DB{d.read, d.write} {
		if handle != nil {
			errs = append(errs, handle.Close())
		}
	}
	if d.folder != "" {
		errs = append(errs, os.RemoveAll(d.folder)) // the log files beside the database, too
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers.
func (d *database) Ping(ctx context.Context) error { return d.read.PingContext(ctx) }

// view runs f in a transaction that sees one state of the shop, however many queries it asks. It is one call of the
// database.
func (d *database) view(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	return d.call(ctx, d.read, f)
}

// change runs f in a transaction that nobody else's change can come between. It is one call of the database.
func (d *database) change(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	return d.call(ctx, d.write, f)
}

// errDown is what a call fails with that is to fail.
var errDown = errors.New("the database is down (FAIL_RATE)")

// fail has a fraction of the calls from now on fail, before they have done anything.
func (d *database) fail(rate float64) { d.failRate.Store(math.Float64bits(rate)) }

func (d *database) call(ctx context.Context, handle *sql.DB, f func(context.Context, *sql.Tx) error) error {
	if err := d.wait(ctx); err != nil {
		return err
	}
	if rand.Float64() < math.Float64frombits(d.failRate.Load()) {
		return errDown
	}
	tx, err := handle.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing once Commit has
	if err = f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// wait stands in for the way to a database on the network. It waits before the transaction, so that it holds no lock.
func (d *database) wait(ctx context.Context) error {
	if d.latency == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
