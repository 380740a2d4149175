package arch_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// filePath matches what a document names as a Go file of this repository: a path in backquotes.
var filePath = regexp.MustCompile("`([a-z][a-z0-9_./-]*/[a-z0-9_]+\\.go)`")

// TestFilesInDocumentsExist wants every Go file that a document names to be there.
func TestFilesInDocumentsExist(t *testing.T) {
	t.Parallel()
	dir := root(t)
	docs, err := filepath.Glob(filepath.Join(dir, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, path := range append(docs, filepath.Join(dir, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, match := range filePath.FindAllStringSubmatch(string(text), -1) {
			named++
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(match[1]))); err != nil {
				t.Errorf("%s names %s, which is not there", filepath.Base(path), match[1])
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d files are named: the search is broken", named)
	}
}
