package output_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
)

// troubled are backends in every kind of trouble.
var troubled = map[string]func(store.Backend) store.Backend{
	"refuses":          func(b store.Backend) store.Backend { return refusing{b} },
	"fails":            func(b store.Backend) store.Backend { return failing{b} },
	"hangs":            func(b store.Backend) store.Backend { return hanging{b} },
	"answers nothing":  func(b store.Backend) store.Backend { return answering{b, nil} },
	"answers too much": func(b store.Backend) store.Backend { return answering{b, make([]store.Found, 3)} },
	"answers with rubble": func(b store.Backend) store.Backend {
		return answering{b, []store.Found{{Record: &store.Record{}, Left: 1}}}
	},
	"answers from the past": func(b store.Backend) store.Backend {
		return answering{b, []store.Found{{Record: &store.Record{Value: somePage().Encode()}, Left: -1}}}
	},
}

// hanging hangs until the caller has had enough.
type hanging struct{ store.Backend }

func (hanging) Lookup(ctx context.Context, _ ...string) ([]store.Found, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil, errors.New("a budget is over")
	}
}

// answering answers every look-up with the same.
type answering struct {
	store.Backend

	found []store.Found
}

func (b answering) Lookup(context.Context, ...string) ([]store.Found, error) { return b.found, nil }

// unharmed asks a page twice and returns what the client noticed.
func unharmed(h http.Handler) error {
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
		if w.Code != http.StatusOK || w.Body.String() != "page" {
			return fmt.Errorf("%d %q", w.Code, w.Body)
		}
	}
	return nil
}

func TestI7_TroubleIsAMiss(t *testing.T) {
	for name, open := range troubled {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := open(memstore.New(memstore.Config{}))
				p := serve(t, output.Config{Store: store.New(backend, store.Config{})}, output.For(time.Minute), slow(0))
				if err := unharmed(p); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A cache that hands its trouble on, in one of the ways that peers do, must be found by the check above.
func TestI7_MutantsAreCaught(t *testing.T) {
	for name, hand := range map[string]http.HandlerFunc{
		"a 500":        status(http.StatusInternalServerError),
		"an empty 200": func(http.ResponseWriter, *http.Request) {},
		"half a page":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pa") },
	} {
		if unharmed(hand) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
}

// overBudget asks for many pages that are all different and returns what the store admits to hold beyond its budget.
func overBudget(t *testing.T, backend store.Backend) (over int64) {
	t.Helper()
	p := serve(t, output.Config{Store: store.New(backend, store.Config{})}, output.For(time.Hour).Tag("all").VaryBy("q", query),
		slow(0))
	for i := range 5000 {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/page?q=%0*d", 1+i%300, i), http.NoBody))
		if s := p.cache.Stats().Store; i%100 == 0 {
			over = max(over, s.Bytes-s.MaxBytes)
		}
	}
	return over
}

func query(r *http.Request) string { return r.URL.RawQuery }

func TestI8_PagesStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	for _, budget := range []int64{64 << 10, 1 << 20} {
		if over := overBudget(t, memstore.New(memstore.Config{MaxBytes: budget})); over > 0 {
			t.Errorf("%d bytes over a budget of %d", over, budget)
		}
	}
}

// boundless counts and drops nothing.
type boundless struct {
	store.Backend

	held *int64
}

func (b boundless) Store(_ context.Context, key string, r store.Record) (store.Verdict, error) {
	*b.held += int64(len(key) + len(r.Value))
	return store.Stored, nil
}

func (b boundless) Stats() store.Stats { return store.Stats{Bytes: *b.held, MaxBytes: 64 << 10} }

func TestI8_MutantIsCaught(t *testing.T) {
	t.Parallel()
	if overBudget(t, boundless{memstore.New(memstore.Config{}), new(int64)}) <= 0 {
		t.Error("a store without a bound is not noticed")
	}
}

// damage returns what a decoder accepts and must not.
func damage(decode func(b []byte, key string) error) (accepted []string) {
	good := somePage().Encode()
	body := len("body")
	try := func(name string, b []byte, key string) {
		if decode(b, key) == nil && !slices.Contains(accepted, name) {
			accepted = append(accepted, name)
		}
	}
	for i := range len(good) - body {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		try("another head", bad, "key")
	}
	for n := range good {
		try("a part", good[:n], "key")
	}
	try("too much", append(bytes.Clone(good), 1), "key")
	try("another key", good, "another")
	try("another version", append([]byte{9}, good[1:]...), "key")
	return accepted
}

func TestI9_MutantsAreCaught(t *testing.T) {
	t.Parallel()
	right := func(b []byte, key string) error {
		_, err := output.Decode(b, key)
		return err
	}
	if accepted := damage(right); len(accepted) > 0 {
		t.Errorf("accepted: %q", accepted)
	}
	good := somePage().Encode()
	for want, mutant := range map[string]func(b []byte, key string) error{
		"another version": func(b []byte, key string) error {
			if len(b) > 0 && b[0] == 9 {
				b = append([]byte{good[0]}, b[1:]...)
			}
			return right(b, key)
		},
		"another key": func(b []byte, _ string) error { return right(b, "key") },
		"too much":    func(b []byte, key string) error { return right(b[:min(len(b), len(good))], key) },
		"a part": func(b []byte, key string) error {
			if len(b) > len(good)/2 {
				return right(append(bytes.Clone(b), good[len(b):max(len(b), len(good))]...), key)
			}
			return right(b, key)
		},
		"another head": func(b []byte, key string) error {
			if len(b) == len(good) && key == "key" && b[0] == good[0] {
				return nil // no checksum
			}
			return right(b, key)
		},
	} {
		if !slices.Contains(damage(mutant), want) {
			t.Errorf("a decoder that accepts %s is not noticed", want)
		}
	}
}

// left returns the goroutines of this module that are there after f and were not before.
func left(f func()) []string {
	ours := func() (all []string) {
		buf := make([]byte, 1<<20)
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			_, stack, _ := strings.Cut(g, "\n")
			if strings.Contains(stack, "created by github.com/echocache/echocache/") {
				all = append(all, g[:strings.IndexByte(g, '[')])
			}
		}
		return all
	}
	before := ours()
	f()
	var after []string
	for range 100 { // one that has just ended its work may still be on its way out
		after = slices.DeleteFunc(ours(), func(g string) bool { return slices.Contains(before, g) })
		if len(after) == 0 {
			break
		}
		runtime.Gosched()
	}
	return after
}

// A cache that is closed leaves nothing running, and lets requests pass. In the other tests the bubble of synctest says
// so as well.
func TestI10_CloseEndsEverything(t *testing.T) {
	use := func(closed bool) func() {
		return func() {
			cache, err := output.New(output.Config{})
			if err != nil {
				t.Fatal(err)
			}
			h := cache.Handler(output.For(time.Minute), slow(0))
			if err := unharmed(h); err != nil {
				t.Error(err)
			}
			if !closed {
				return
			}
			for range 2 {
				if err := cache.Close(); err != nil {
					t.Error(err)
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", http.NoBody))
			if said := w.Header().Get("Cache-Status"); said != "echocache; fwd=bypass; detail=off" || w.Body.String() != "page" {
				t.Errorf("%s %q", said, w.Body)
			}
		}
	}
	if running := left(use(true)); len(running) > 0 {
		t.Errorf("still running: %q", running)
	}
	// The mutant: one that is not closed.
	if running := left(use(false)); len(running) == 0 {
		t.Error("a goroutine that is left behind is not noticed")
	}
}

// Close ends the fills that are under way.
func TestI10_CloseCancelsFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			_, _ = io.WriteString(w, "page")
		})
		began := time.Now()
		time.AfterFunc(time.Second, func() { _ = p.cache.Close() })
		wantAll(t, p.crowd(3, always))
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
