package arch_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const modulePath = "github.com/echocache/echocache"

// root returns the repository's directory: the nearest one upwards that holds this module's go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module "+modulePath+"\n") {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatalf("no go.mod of %s upwards of here", modulePath)
		}
		dir = up
	}
}

// watch makes the result of the calling test depend on every Go file of the module. The go command keeps the result of
// a test that passed until a file changes that the test itself has read; what a go command started by the test reads,
// it does not see.
func watch(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case filepath.Ext(path) == ".go" || entry.Name() == "go.mod" || entry.Name() == "go.sum":
			_, err = os.Stat(path)
			// Somebody may be at work in the tree: a file that went is not there to be read either.
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// golang runs the go command in dir, on this module alone, and returns what it printed.
func golang(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), env...)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &problems)
	}
	return out.String(), nil
}
