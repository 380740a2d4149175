package storetest_test

import (
	"time"
	"unsafe"

	"github.com/echocache/echocache/store"
)

// fakeLocal is a fake that can Peek.
type fakeLocal struct {
	*fake

	last     string // over borrowed bytes: a fault
	lastHeld store.Held
}

type fakeHeld struct {
	f    *fake
	r    *store.Record
	view *any
}

func (f *fakeLocal) Peek(key []byte) (held store.Held, left time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != "" && f.last == string(key) {
		return f.lastHeld, time.Second, true
	}
	r, ok := f.records[string(key)]
	left = r.due.Sub(f.now())
	switch {
	case ok && f.idled(r):
		return nil, 0, false
	case !ok, f.closed && !f.has("Peek after Close"), left <= 0 && !f.has("Peek ignores expiry"):
		return nil, 0, false
	case !f.has("Peek not compared") && !f.fresh(string(key), r.Record):
		return nil, 0, false
	case f.has("Peek without the time left"):
		left = 0
	}
	h := fakeHeld{f.fake, &r.Record, r.view}
	if f.has("Peek keeps the key") {
		f.last, f.lastHeld = unsafe.String(unsafe.SliceData(key), len(key)), h
	}
	return h, left, true
}

func (h fakeHeld) Record() *store.Record { return h.r }

func (h fakeHeld) View() any {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return *h.view
}

func (h fakeHeld) SetView(view any, _ int) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if *h.view == nil || !h.f.has("the first view stays") {
		*h.view = view
	}
	if h.f.has("views forgotten") {
		*h.view = nil
	}
}
