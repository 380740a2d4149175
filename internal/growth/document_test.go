package growth_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// book is what was measured: tables for people, and figures for the tables that follow from others.
type book struct {
	tables  []*table
	figures map[string]float64
}

// table is one table of the document, in the block of the same name.
type table struct {
	name  string
	lines []string
}

// open begins a table with its head.
func (b *book) open(name string, head ...string) *table {
	t := &table{name: name}
	b.tables = append(b.tables, t)
	t.row(head...)
	t.lines = append(t.lines, "|"+strings.Repeat("---|", len(head)))
	return t
}

func (t *table) row(cells ...string) {
	t.lines = append(t.lines, "| "+strings.Join(cells, " | ")+" |")
}

func (t *table) String() string { return strings.Join(t.lines, "\n") }

// write puts the tables that there are into their blocks of a document.
func (b *book) write(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	out := string(text)
	for _, t := range b.tables {
		if out, err = fillIn(out, t.name, t.String()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.WriteFile(path, []byte(out), 0o600)
}

// complete returns an error if a document has blocks for which there is no table.
func (b *book) complete(path string) error {
	text, err := os.ReadFile(path)
	if blocks := strings.Count(string(text), opening); err == nil && blocks != len(b.tables) {
		err = fmt.Errorf("%s has %d blocks for %d tables", path, blocks, len(b.tables))
	}
	return err
}

// machine says on what it was measured, without a name of it.
func (b *book) machine() {
	t := &table{name: "machine"}
	b.tables = append(b.tables, t)
	redis := "no redis-server"
	if out, err := exec.Command("redis-server", "--version").Output(); err == nil { //nolint:noctx // it ends by itself
		if words := strings.Fields(string(out)); len(words) > 2 {
			redis = "Redis " + strings.TrimPrefix(words[2], "v=")
		}
	}
	load := "unknown"
	if out, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(out))[:3], ", ")
	}
	t.lines = []string{fmt.Sprintf("%s/%s, %d cores, %s, %s, %s. Load average at the end: %s.", runtime.GOOS, runtime.GOARCH,
		runtime.GOMAXPROCS(0), runtime.Version(), redis, time.Now().UTC().Format("January 2006"), load)}
}

const (
	opening = "<!-- growth: "
	closing = "<!-- growth ends -->"
)

// fillIn replaces what stands in a block.
func fillIn(text, name, content string) (string, error) {
	mark := opening + name + " -->\n"
	before, rest, ok := strings.Cut(text, mark)
	_, after, closed := strings.Cut(rest, closing)
	if !ok || !closed || strings.Contains(after, mark) {
		return "", fmt.Errorf("the block %q does not stand there once", name)
	}
	return before + mark + "\n" + content + "\n\n" + closing + after, nil
}

// copied returns a copy of a document, which a test may write.
func copied(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy.md")
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestABlockIsReplaced(t *testing.T) {
	t.Parallel()
	const text = "a\n<!-- growth: x -->\nold\n<!-- growth ends -->\nb\n"
	got, err := fillIn(text, "x", "new")
	if want := "a\n<!-- growth: x -->\n\nnew\n\n<!-- growth ends -->\nb\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if again, err := fillIn(got, "x", "new"); err != nil || again != got {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for _, wrong := range []string{"", "<!-- growth: x -->\n", text + text} {
		if got, err := fillIn(wrong, "x", "new"); err == nil {
			t.Errorf("%q becomes %q", wrong, got)
		}
	}
}
