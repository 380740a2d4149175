package breaker

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// The journal file is text: a line that names the format, then one line for each call of Evict that had to be queued:
//
//	echocache journal 1
//	5f0c9c1e t"product:7" t"products" k"\x05value…"
//
// A checksum (CRC-32, IEEE) of the rest, then the names: t a tag, k a key, * everything; quoted as in Go. A line is on
// the disk before its Evict answers and before the next one is begun. So only the last may be torn, and of that one
// nobody was told.
const fileHeader = "echocache journal 1\n"

// tidyAbove is the size above which a file is rewritten that holds several times what is queued.
const tidyAbove = 1 << 20

// disk is what of the operating system a test lets fail.
type disk struct {
	sync   func(*os.File) error
	rename func(from, to string) error
}

var osDisk = disk{(*os.File).Sync, os.Rename}

// file is an open journal file. All methods may be called concurrently.
type file struct {
	path string
	disk disk
	lock *os.File

	mu     sync.Mutex
	out    *os.File // nil if it could not be opened again
	size   int64    // up to where it is good
	unsure bool     // a write has failed: what is on the disk is not known
	closed bool
}

// openFile opens the journal file, or makes one, and returns what is queued in it.
func openFile(path string, d disk) (*file, []name, error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot be locked: another breaker or process uses it, or its directory "+
			"is not writable: give each breaker a file of its own: %w", err)
	}
	f := &file{path: path, disk: d, lock: lock}
	text, err := os.ReadFile(path) //nolint:gosec // the path is the application's
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.close()
		return nil, nil, fmt.Errorf("cannot be read: %w", err)
	}
	names, err := parseFile(text)
	if err != nil {
		f.close()
		return nil, nil, err
	}
	// Rewritten, it has no torn end, and our permissions.
	if err := f.rewrite(names); err != nil {
		f.close()
		return nil, nil, fmt.Errorf("cannot be written: %w", err)
	}
	return f, names, nil
}

// parseFile returns the names in the text of a journal file, each once. A last line that is torn does not count.
func parseFile(text []byte) ([]name, error) {
	if len(text) == 0 || bytes.HasPrefix([]byte(fileHeader), text) {
		return nil, nil // new, or torn while it was made
	}
	rest, ok := bytes.CutPrefix(text, []byte(fileHeader))
	if !ok {
		return nil, errors.New("is not a journal, or of a later version: remove it, or name another file")
	}
	var names []name
	seen := map[name]bool{}
	for number := 2; len(rest) > 0; number++ {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		rest = after
		found, ok := parseLine(string(line))
		switch {
		case ok && whole:
		case len(rest) == 0:
			return names, nil
		default:
			return nil, fmt.Errorf("is damaged in line %d: evict everything, then remove it", number)
		}
		for _, n := range found {
			if !seen[n] {
				seen[n] = true
				names = append(names, n)
			}
		}
	}
	return names, nil
}

func parseLine(line string) (names []name, ok bool) {
	const sum = 8 // digits, then a blank
	if len(line) <= sum || line[sum] != ' ' || line[:sum] != checksum(line[sum+1:]) {
		return nil, false
	}
	for rest := line[sum:]; rest != ""; {
		if len(rest) < 2 || rest[0] != ' ' {
			return nil, false
		}
		kind := rest[1]
		if kind != ofTag && kind != ofKey && kind != ofAll {
			return nil, false
		}
		quoted, err := strconv.QuotedPrefix(rest[2:])
		if err != nil {
			return nil, false
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, false
		}
		names = append(names, name{kind, text})
		rest = rest[2+len(quoted):]
	}
	return names, true
}

func checksum(s string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(s))) }

func formatLine(names []name) []byte {
	var line []byte
	for i, n := range names {
		if i > 0 {
			line = append(line, ' ')
		}
		line = strconv.AppendQuote(append(line, n.kind), n.text)
	}
	return append(append([]byte(checksum(string(line))+" "), line...), '\n')
}

// append puts names on the disk, in one line, and calls saved with them.
func (f *file) append(names []name, saved func([]name)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return fs.ErrClosed
	case f.out == nil || f.unsure:
		return errors.New("an earlier write has failed, and the file was not written anew yet")
	}
	line := formatLine(names)
	n, err := f.out.Write(line)
	if err == nil {
		err = f.disk.sync(f.out)
	}
	if err == nil {
		f.size += int64(n)
		saved(names)
		return nil
	}
	// Half a line must not be followed by another. And once a sync has failed, a later one says nothing about what
	// was written before it: a new file has to.
	f.unsure = true
	return errors.Join(err, f.out.Truncate(f.size))
}

// tidy writes the file anew if it is much longer than it need be, or not known to be good. live returns what is queued;
// saved is called with it when it is on the disk.
func (f *file) tidy(live func() []name, saved func([]name)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !f.unsure && f.out != nil && f.size == int64(len(fileHeader)) {
		return nil
	}
	// Whoever queues something adds it to the list first: either it is here, or it is appended after.
	names := live()
	need := int64(len(fileHeader))
	for _, n := range names {
		need += int64(len(n.text)) + 12
	}
	if len(names) > 0 && !f.unsure && f.out != nil && (f.size < tidyAbove || f.size < 4*need) {
		return nil
	}
	if err := f.rewrite(names); err != nil {
		return err
	}
	saved(names)
	return nil
}

// rewrite replaces the file with one that holds names, in one step. The caller holds mu.
func (f *file) rewrite(names []name) error {
	temporary := f.path + ".new"
	text := []byte(fileHeader)
	for len(names) > 0 {
		n := min(len(names), batch)
		text, names = append(text, formatLine(names[:n])...), names[n:]
	}
	if err := f.writeNew(temporary, text); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	// Where an open file cannot be replaced it has to be closed first.
	if f.out != nil {
		_ = f.out.Close()
		f.out = nil
	}
	err := f.disk.rename(temporary, f.path)
	if dir, failed := os.Open(filepath.Dir(f.path)); failed == nil {
		_ = dir.Sync() // not every system can; then the rename is on the disk a little later
		_ = dir.Close()
	}
	out, opened := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err := errors.Join(err, opened); err != nil {
		f.unsure = true
		if opened == nil {
			_ = out.Close()
		}
		return err
	}
	f.out, f.size, f.unsure = out, int64(len(text)), false
	return nil
}

func (f *file) writeNew(path string, text []byte) error {
	_ = os.Remove(path) // of an earlier life, with whatever permissions
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err == nil {
		err = f.disk.sync(out)
	}
	return errors.Join(err, out.Close())
}

// close gives the file and its lock back.
func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.out != nil {
		_ = f.out.Close()
	}
	_ = f.lock.Close()
}
