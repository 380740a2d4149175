package breaker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
)

func journal(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "evictions")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestI2_AKilledProcessLosesNoEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path, back := journal(t), newFlaky()
		defer back.Close()
		first := breaker.New(back, breaker.Config{JournalFile: path})
		r := &rig{Breaker: first, t: t, back: back}
		odd := "line\nbreak \"quoted\" \xff \x00"
		r.put("k", "old", "a")
		r.put(odd, "old", "b")
		r.put("l", "old", odd)
		r.put("m", "v", "c")
		fence := r.misses("n")
		r.back.is(only(down, evict, remove))
		r.pends("a", odd)
		r.pends("a")
		if err := r.Delete(t.Context(), odd); !errors.Is(err, store.ErrEvictionPending) {
			t.Fatal(err)
		}
		r.Kill()

		second := &rig{Breaker: breaker.New(back, breaker.Config{JournalFile: path}), t: t, back: back}
		if err := second.Check(); err != nil {
			t.Fatal(err)
		}
		second.in(breaker.Open)
		second.misses("m") // nothing is believed yet
		time.Sleep(10 * time.Second)
		second.in(breaker.Open)
		back.is(nil)
		time.Sleep(6 * time.Second)
		second.in(breaker.Closed)
		second.misses("k")
		second.misses(odd)
		second.misses("l")
		second.hits("m", "v")
		second.offer(store.Fenced, "n", "old", fence, "a")
		if text := read(t, path); text != "echocache journal 1\n" {
			t.Errorf("with nothing queued the file is %q", text)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestI2_AFileIsWrittenBeforeEvictAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var synced atomic.Int64
		path, back := journal(t), newFlaky()
		b := breaker.OpenOn(back, breaker.Config{JournalFile: path}, func(f *os.File) error {
			synced.Add(1)
			return f.Sync()
		}, nil)
		r := &rig{Breaker: b, t: t, back: back}
		r.trip()
		before := synced.Load()
		r.pends("a", "b")
		if !strings.Contains(read(t, path), `t"a" t"b"`) || synced.Load() != before+1 {
			t.Errorf("the file is %q after %d syncs", read(t, path), synced.Load()-before)
		}
		r.pends("b") // stands there already
		if synced.Load() != before+1 {
			t.Error("written again")
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("Stat = %v, %v, want 0600", info.Mode(), err)
		}
		err := r.Close()
		if err == nil || !strings.Contains(err.Error(), "JournalFile") || !strings.Contains(err.Error(), "2 tags") {
			t.Errorf("Close = %v", err)
		}
		if !strings.Contains(read(t, path), `t"a"`) {
			t.Error("Close has emptied the file")
		}
	})
}

func TestATornEndIsNoDamage(t *testing.T) {
	t.Parallel()
	whole := breaker.FileWith("a", "b")
	torn := append(bytes.Clone(whole), breaker.FileWith("c")[len(breaker.FileWith())-len("00000000 \n"):]...)
	for n := range len(torn) + 1 {
		_, names, ok := breaker.Rewritten(torn[:n])
		want := 0
		if n >= len(whole) {
			want = 2
		}
		if !ok || names != want && n != len(torn) && n < len(torn) {
			t.Fatalf("cut after %d of %d bytes: %d names, %v, want %d", n, len(torn), names, ok, want)
		}
	}
}

func TestDamageIsToldOf(t *testing.T) {
	t.Parallel()
	good := string(breaker.FileWith("a"))
	for what, text := range map[string]string{
		"another file":    "user=alice\npassword=secret\n",
		"a later version": "echocache journal 2\n",
		"a line within":   strings.Replace(good, `t"a"`, `t"b"`, 1) + strings.SplitAfter(good, "\n")[1],
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := journal(t)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			b := breaker.New(newFlaky(), breaker.Config{JournalFile: path})
			if err := b.Check(); err == nil || !strings.Contains(err.Error(), "Config.JournalFile") {
				t.Errorf("Check = %v", err)
			}
			if found, err := b.Lookup(t.Context(), "k"); err != nil || found[0].Fence != (store.Fence{}) {
				t.Errorf("Lookup = %v, %v", found, err)
			}
			if err := b.Evict(t.Context(), "a"); err == nil || errors.Is(err, store.ErrEvictionPending) {
				t.Errorf("Evict = %v", err)
			}
			if read(t, path) != text {
				t.Error("the file was changed")
			}
			if err := b.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		})
	}
}

func TestTwoMustNotShareAFile(t *testing.T) {
	t.Parallel()
	path := journal(t)
	one := breaker.New(newFlaky(), breaker.Config{JournalFile: path})
	two := breaker.New(newFlaky(), breaker.Config{JournalFile: path})
	if err := two.Check(); err == nil || !strings.Contains(err.Error(), "a file of its own") {
		t.Errorf("the second one's Check = %v", err)
	}
	if err := errors.Join(one.Check(), one.Close(), two.Close()); err != nil {
		t.Error(err)
	}
	three := breaker.New(newFlaky(), breaker.Config{JournalFile: path})
	if err := errors.Join(three.Check(), three.Close()); err != nil {
		t.Error(err)
	}
	missing := breaker.New(newFlaky(), breaker.Config{JournalFile: filepath.Join(path, "no", "directory")})
	if err := missing.Check(); err == nil {
		t.Error("a file in no directory passes Check")
	}
	_ = missing.Close()
}

// TestI2_AWriteThatFailsIsToldAndMadeGood: after a failed sync nothing that is appended can be relied on.
func TestI2_AWriteThatFailsIsToldAndMadeGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errFull := errors.New("no space left")
		var full, stuck atomic.Bool
		path, back := journal(t), newFlaky()
		b := breaker.OpenOn(back, breaker.Config{JournalFile: path}, func(f *os.File) error {
			if full.Load() {
				return errFull
			}
			return f.Sync()
		}, func(from, to string) error {
			if stuck.Load() {
				return errFull
			}
			return os.Rename(from, to)
		})
		r := &rig{Breaker: b, t: t, back: back}
		r.put("k", "v", "a")
		r.back.is(only(down, evict))
		r.pends("before")
		full.Store(true)
		err := r.Evict(t.Context(), "a")
		if !errors.Is(err, store.ErrEvictionPending) || !errors.Is(err, errFull) || !strings.Contains(err.Error(), "kill") {
			t.Errorf("Evict = %v", err)
		}
		r.misses("k")
		if names := string(breaker.FileWith("before")); read(t, path) != names {
			t.Errorf("the file is %q, want %q", read(t, path), names)
		}
		full.Store(false)
		stuck.Store(true)
		time.Sleep(10 * time.Second) // no new file yet
		if err := r.Evict(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "kill") {
			t.Errorf("Evict = %v: it does not stand in the file", err)
		}
		stuck.Store(false)
		time.Sleep(10 * time.Second)
		if text := read(t, path); !strings.Contains(text, `t"a"`) || !strings.Contains(text, `t"before"`) {
			t.Errorf("the file is %q", text)
		}
		r.back.is(nil)
		time.Sleep(6 * time.Second)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestALongFileIsWrittenAnew: what is confirmed while something else is not goes as well.
func TestALongFileIsWrittenAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path, back := journal(t), newFlaky()
		r := around(t, back, back, breaker.Config{JournalFile: path})
		long := strings.Repeat("x", 250)
		r.trip()
		r.pends("bad")
		for i := range 100 {
			tags := make([]string, 60)
			for j := range tags {
				tags[j] = fmt.Sprint(long, i, "/", j)
			}
			r.pends(tags...)
		}
		if n := len(read(t, path)); n < 1<<20 {
			t.Fatalf("the file has %d bytes", n)
		}
		back.is(func(_ context.Context, what op, names []string) error {
			if what == evict && slices.Contains(names, "bad") {
				return errors.New("ERR not this one")
			}
			return nil
		})
		time.Sleep(2 * time.Minute)
		if q := r.Queue(); q != "tbad " {
			t.Fatalf("queue %.60q", q)
		}
		if text := read(t, path); text != string(breaker.FileWith("bad")) {
			t.Errorf("the file has %d bytes", len(text))
		}
	})
}

func FuzzJournalFile(f *testing.F) {
	f.Add(breaker.FileWith("a", "b\n", "\xff"))
	f.Add(breaker.FileWith("a")[:30])
	f.Add([]byte("echocache journal 1\n00000000 \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		again, names, ok := breaker.Rewritten(text)
		if !ok {
			return
		}
		if third, same, ok := breaker.Rewritten(again); !ok || same != names || !bytes.Equal(third, again) {
			t.Errorf("%q became %q and then %q", text, again, third)
		}
	})
}

func FuzzJournalTag(f *testing.F) {
	f.Add("product:7")
	f.Add("\x00\xff\n\"")
	f.Fuzz(func(t *testing.T, tag string) {
		if _, names, ok := breaker.Rewritten(breaker.FileWith(tag, tag+"x")); !ok || names != 2 {
			t.Errorf("%q: %d names, %v", tag, names, ok)
		}
	})
}
