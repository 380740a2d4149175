package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Several instances may start at once on a new file: one makes it, and all of them can work.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "with space, 100%?#.db")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			d, err := openDatabase(t.Context(), file, 0)
			if err != nil {
				t.Error(err)
				return
			}
			if l, err := d.listing(t.Context(), listQuery{page: 1, order: "id"}); err != nil || l.Total != seededProducts {
				t.Errorf("%d products, %v", l.Total, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestFileIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shop.db")
	d, err := openDatabase(t.Context(), file, 0)
	if err != nil {
		t.Fatal(err)
	}
	for id := int64(1); id <= seededProducts; id++ {
		if _, err := d.deleteProduct(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = openDatabase(t.Context(), file, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.createProduct(t.Context(), product{Name: "Lamp", Brand: "Kestrel", Category: "lamps"})
	if err != nil || p.ID != seededProducts+1 {
		t.Errorf("an empty shop was filled again, or a number was given twice: %+v, %v", p, err)
	}
	if _, err := d.createProduct(t.Context(), product{Name: "Lamp", Brand: "Kestrel", Category: "cars"}); err == nil {
		t.Error("a product of an unknown category: foreign keys are off")
	}
	if err := d.view(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM products")
		return err
	}); err == nil {
		t.Error("a view can write")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTemporaryDatabaseIsRemoved(t *testing.T) {
	t.Parallel()
	d, err := openDatabase(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Ping(t.Context()), d.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", d.folder, err)
	}
}

// Every call of the database takes the latency, once, and not longer than its caller waits.
func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, err := openDatabase(t.Context(), "", 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := d.listing(t.Context(), listQuery{page: 1, order: "id"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 20*time.Millisecond {
			t.Errorf("a list took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		began = time.Now()
		if _, _, err := d.product(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v instead of the deadline", err)
		}
		if took := time.Since(began); took != 5*time.Millisecond {
			t.Errorf("it waited %s for nobody", took)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSeedIsTheSameAlways(t *testing.T) {
	t.Parallel()
	names := map[string]int{}
	for i := range seededProducts {
		p := seededProduct(i)
		if other, twice := names[p.Name]; twice {
			t.Errorf("products %d and %d are both called %s", other+1, i+1, p.Name)
		}
		names[p.Name] = i
		if p.PriceCents < 100 || p.PriceCents > maxPrice {
			t.Errorf("product %d costs %d", i+1, p.PriceCents)
		}
	}
}
