package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	readsPerSecond = 300
	writeEvery     = 100 * time.Millisecond
	patience       = 10 * time.Second // of a client
	underWay       = 512              // requests at once; more would only measure this machine

	products  = 36 // whose pages are read
	written   = 12 // of them, those that are written
	everyList = 10 // one read in so many is of a list

	firstPrice = 1_000_000 // above those that the shop begins with: a later write is a higher price
)

// lists are read besides the products' pages, and show many of them.
var lists = []string{"/products", "/products?category=lamps", "/products?page=2"}

type product struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	Brand      string `json:"brand"`
	Category   string `json:"category"`
	PriceCents int64  `json:"price_cents"`
}

// drive is the load, and what came of it.
type drive struct {
	fleet  *shops
	client *http.Client
	places chan struct{}
	work   sync.WaitGroup
	tally
	journal

	goods   [written]product      // as the shop began with them
	floors  [written]atomic.Int64 // the price of the last write that was answered
	busy    [written]sync.Mutex   // one write of a product at a time, so that prices only rise
	price   atomic.Int64
	picking sync.Mutex // guards turn
	turn    int
}

func newDrive(ctx context.Context, f *shops) (*drive, error) {
	d := &drive{
		fleet: f, places: make(chan struct{}, underWay),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: underWay}},
	}
	d.price.Store(firstPrice)
	for i := range d.goods {
		body, err := f.all[0].get(ctx, path(i))
		if err == nil {
			err = json.Unmarshal(body, &d.goods[i])
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

func path(i int) string { return fmt.Sprintf("/products/%d", i+1) }

// start begins the load, which goes on until ctx ends. It does not wait for answers before it asks again.
func (d *drive) start(ctx context.Context) {
	d.work.Go(func() {
		n := 0
		every(ctx, time.Second/readsPerSecond, func() {
			n++
			page := path(n * 7 % products)
			if n%everyList == 0 {
				page = lists[n/everyList%len(lists)]
			}
			s := d.fleet.all[n%len(d.fleet.all)]
			d.spawn(func() { d.read(ctx, s, page) })
		})
	})
	d.work.Go(func() { every(ctx, watchEvery, func() { d.watch(ctx) }) })
	d.work.Go(func() { every(ctx, writeEvery, func() { d.spawn(func() { d.write(ctx) }) }) })
}

// every calls f in even steps, and catches up after it was held up.
func every(ctx context.Context, step time.Duration, f func()) {
	for next := time.Now(); ; next = next.Add(step) {
		select {
		case <-time.After(time.Until(next)):
			f()
		case <-ctx.Done():
			return
		}
	}
}

func (d *drive) spawn(f func()) {
	select {
	case d.places <- struct{}{}:
	default:
		d.skip()
		return
	}
	d.work.Go(func() { f(); <-d.places })
}

// read asks for a page and holds it against the writes that had been answered before.
func (d *drive) read(ctx context.Context, s *shop, page string) {
	var least [written]int64
	for i := range least {
		least[i] = d.floors[i].Load()
	}
	began := time.Now()
	body, status, err := d.do(ctx, s, http.MethodGet, page, nil)
	if ctx.Err() != nil {
		return // its end is the run's
	}
	if err != nil {
		d.fail(fmt.Errorf("%s: %w", s.name, err))
		return
	}
	old, err := stale(body, &least)
	if err != nil {
		d.fail(fmt.Errorf("%s %s: %w", s.name, page, err))
		return
	}
	if old != "" {
		d.old(fmt.Sprintf("%s %s: %s [%s]", s.name, page, old, status), d.queued(ctx, began))
	}
	d.readTook(time.Since(began), status)
}

// stale says what in a page is older than it may be, or "".
func stale(body []byte, least *[written]int64) (string, error) {
	var v struct {
		product

		Products []product `json:"products"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return "", err
	}
	shown := v.Products
	if v.ID != 0 {
		shown = append(shown, v.product)
	}
	if len(shown) == 0 {
		return "", errors.New("the page shows no product")
	}
	for _, p := range shown {
		if p.ID <= written && p.PriceCents < least[p.ID-1] {
			return fmt.Sprintf("product %d costs %d, was written as %d", p.ID, p.PriceCents, least[p.ID-1]), nil
		}
	}
	return "", nil
}

// write changes a price at the first instance, and looks at it at all of them as soon as it is answered.
func (d *drive) write(ctx context.Context) {
	i, ok := d.pick()
	if !ok {
		d.skip()
		return
	}
	defer d.busy[i].Unlock()
	p := d.goods[i]
	p.PriceCents = d.price.Add(1)
	text, err := json.Marshal(p)
	if err != nil {
		d.fail(err)
		return
	}
	began := time.Now()
	_, _, err = d.do(ctx, d.fleet.all[0], http.MethodPut, path(i), text)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		d.fail(err)
		return
	}
	d.writeTook(time.Since(began))
	d.floors[i].Store(p.PriceCents)
	for _, s := range d.fleet.all {
		d.read(ctx, s, path(i))
	}
}

// pick locks a product that nobody is writing.
func (d *drive) pick() (int, bool) {
	d.picking.Lock()
	defer d.picking.Unlock()
	for range written {
		d.turn++
		if i := d.turn % written; d.busy[i].TryLock() {
			return i, true
		}
	}
	return 0, false
}

// do sends a request and returns the answer's body, and what the cache says of it.
func (d *drive) do(ctx context.Context, s *shop, method, page string, text []byte) ([]byte, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+page, bytes.NewReader(text))
	if err != nil {
		return nil, "", err
	}
	r.Host = host
	w, err := d.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err == nil && w.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.200s", method, page, w.Status, body)
	}
	return body, w.Header.Get("Cache-Status"), err
}
