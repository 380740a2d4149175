package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/echocache/echocache/bench/internal/page"
)

// Cost is what one hit takes in process.
type Cost struct {
	Nanoseconds, Bytes, Allocs float64
}

// ErrOriginRan says that what was to be measured as a hit was none.
var ErrOriginRan = errors.New("target: the origin ran")

// Ask sends one request for a page to the handler and checks the answer.
func (t *Target) Ask(number, size int) error {
	r, err := page.NewRequest(context.Background(), number)
	if err != nil {
		return err
	}
	w := &keepingWriter{droppingWriter: droppingWriter{header: http.Header{}}}
	t.ServeHTTP(w, r)
	return page.Check(w.status, w.header, w.body.Bytes(), page.Body(size))
}

// warmth is how many hits come before what is measured: a cache may decode an entry when it first meets it.
const warmth = 16

// Hit measures a hit, with one request and one writer that are used over and over, from one goroutine or from as many as
// there are processors. It fails if the origin ran meanwhile, if one answer had another status or length than the page,
// or if the first or the last answer was another one. How long it takes is testing's -test.benchtime.
func (t *Target) Hit(size int, parallel bool) (Cost, error) {
	for range warmth {
		if err := t.Ask(7, size); err != nil {
			return Cost{}, fmt.Errorf("%s: before: %w", t.Name, err)
		}
	}
	before := t.Runs()
	if t.Cached && before != 1 {
		return Cost{}, fmt.Errorf("%s: %w %d times before the measurement, want once", t.Name, ErrOriginRan, before)
	}
	var failed error
	result := testing.Benchmark(func(b *testing.B) {
		b.Helper()
		if err := t.bench(b, size, parallel); err != nil {
			failed = err
		}
	})
	if failed != nil {
		return Cost{}, fmt.Errorf("%s: %w", t.Name, failed)
	}
	if n := t.Runs() - before; t.Cached && n != 0 {
		return Cost{}, fmt.Errorf("%s: %w %d times", t.Name, ErrOriginRan, n)
	}
	if err := t.Ask(7, size); err != nil {
		return Cost{}, fmt.Errorf("%s: after: %w", t.Name, err)
	}
	return Cost{
		Nanoseconds: float64(result.T.Nanoseconds()) / float64(result.N),
		Bytes:       float64(result.AllocedBytesPerOp()), Allocs: float64(result.AllocsPerOp()),
	}, nil
}

func (t *Target) bench(b *testing.B, size int, parallel bool) error {
	b.Helper()
	b.ReportAllocs()
	if !parallel {
		return t.repeat(size, b.Loop)
	}
	failures := make(chan error, 1)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		if err := t.repeat(size, pb.Next); err != nil {
			select {
			case failures <- err:
			default: // one is enough
			}
		}
	})
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

// repeat asks for as long as more says so.
func (t *Target) repeat(size int, more func() bool) error {
	r, err := page.NewRequest(context.Background(), 7)
	if err != nil {
		return err
	}
	w := &droppingWriter{header: http.Header{}}
	for more() {
		w.reset()
		t.ServeHTTP(w, r)
		if w.status != http.StatusOK || w.bytes != size {
			return fmt.Errorf("target: status %d, %d bytes, want %d", w.status, w.bytes, size)
		}
	}
	return nil
}

// droppingWriter is a client that counts what it takes and keeps nothing but its header map.
type droppingWriter struct {
	header http.Header
	status int
	bytes  int
}

func (w *droppingWriter) Header() http.Header { return w.header }

func (w *droppingWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *droppingWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.bytes += len(b)
	return len(b), nil
}

// Flush and the like are what a server's writer has as well; some caches ask for them.
func (*droppingWriter) Flush() {}

// SetWriteDeadline lets http.ResponseController find one.
func (*droppingWriter) SetWriteDeadline(time.Time) error { return nil }

func (w *droppingWriter) reset() {
	clear(w.header)
	w.status, w.bytes = 0, 0
}

// keepingWriter keeps the body as well.
type keepingWriter struct {
	droppingWriter
	body bytes.Buffer
}

func (w *keepingWriter) Write(b []byte) (int, error) {
	w.body.Write(b)
	return w.droppingWriter.Write(b)
}
