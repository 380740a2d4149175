package arch_test

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSnippetsCompile compiles every block of Go in the README and in docs; doc.go says how.
func TestSnippetsCompile(t *testing.T) {
	t.Parallel()
	dir := root(t)
	watch(t, dir)
	docs, err := filepath.Glob(filepath.Join(dir, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var compiled []snippet
	for _, path := range append([]string{filepath.Join(dir, "README.md")}, docs...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("the front door is missing: %v", err)
			continue
		}
		found, err := readSnippets(filepath.Base(path), string(text))
		if err != nil {
			t.Error(err)
		}
		for _, s := range found {
			if s.skip == "" {
				compiled = append(compiled, s)
				continue
			}
			// A subtest, so that the run's closing list shows what nobody checks.
			t.Run(s.name(), func(t *testing.T) {
				t.Parallel()
				t.Skip(s.skip)
			})
		}
	}
	if problems := compile(t, dir, compiled); problems != "" {
		t.Errorf("snippets do not compile:\n%s", problems)
	}
}

// compile builds each snippet as a package of a module of its own, as a user would, and returns what the compiler
// says. It needs nothing that the root module does not need too, so it works without a network where the root does.
func compile(t *testing.T, dir string, snippets []snippet) string {
	t.Helper()
	module := t.TempDir()
	var problems strings.Builder
	for i, s := range snippets {
		name := fmt.Sprintf("snippet%d", i)
		text, err := s.file(name)
		if err != nil {
			fmt.Fprintf(&problems, "%s: %v\n", s.name(), err)
			continue
		}
		write(t, filepath.Join(module, name, "snippet.go"), text)
	}
	mod, sum := modFiles(t, dir)
	write(t, filepath.Join(module, "go.mod"), mod)
	write(t, filepath.Join(module, "go.sum"), sum)
	if len(snippets) == 0 {
		return problems.String()
	}
	if err := build(t.Context(), module); err != nil {
		problems.WriteString(err.Error())
	}
	return problems.String()
}

// build compiles a module. -mod=mod lets the go command write down in go.mod what it takes from the root's.
func build(ctx context.Context, module string) error {
	_, err := golang(ctx, module, []string{"GOFLAGS=-mod=mod"}, "build", "./...")
	return err
}

// modFiles returns the go.mod and go.sum of a module that uses the one in dir: the same requirements, and dir itself.
func modFiles(t *testing.T, dir string) (mod, sum string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	mod = strings.Replace(string(text), "module "+modulePath+"\n", "module snippets\n", 1)
	mod += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %s\n", modulePath, dir)
	text, err = os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return mod, string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// file makes a Go file out of a snippet: a program, a listing, or a fragment in package name.
func (s snippet) file(name string) (string, error) {
	first := s.blocks[0]
	clause, err := parser.ParseFile(token.NewFileSet(), "", first.text, parser.PackageClauseOnly)
	switch {
	case err != nil: // no package clause
		return wrap(name, s.blocks)
	case len(s.blocks) > 1:
		return "", errors.New("only fragments can be continued")
	case clause.Name.Name == "main":
		return chunk(first, 0, []string{first.text}), nil
	}
	importPath, ok := importPathOf(clause.Name.Name)
	if !ok {
		return "", fmt.Errorf("package %s is neither main nor one of ours", clause.Name.Name)
	}
	return assert(name, importPath, first)
}

func TestGoodSnippetsCompile(t *testing.T) {
	t.Parallel()
	dir := root(t)
	watch(t, dir)
	text, err := os.ReadFile(filepath.Join("testdata", "good.md"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := readSnippets("good.md", string(text))
	if err != nil {
		t.Fatal(err)
	}
	var compiled []snippet
	skips := 0
	for _, s := range found {
		if s.skip != "" {
			skips++
			continue
		}
		compiled = append(compiled, s)
	}
	if len(compiled) != 5 || skips != 1 {
		t.Errorf("found %d snippets and %d to skip, want 5 and 1", len(compiled), skips)
	}
	if problems := compile(t, dir, compiled); problems != "" {
		t.Error(problems)
	}
}

// TestBrokenSnippetsAreFound breaks a snippet in every way once, and wants the compiler to name the document's line.
func TestBrokenSnippetsAreFound(t *testing.T) {
	t.Parallel()
	dir := root(t)
	watch(t, dir)
	tests := []struct {
		name, text string
		line       int
	}{
		{"a program with a wrong type", "package main\n\nfunc main() {\n\tvar n int = \"a\"\n\t_ = n\n}", 5},
		{"a statement with a wrong type", "n := 1\nn = \"a\"", 3},
		{"a name that is nowhere", "verdict := store.Stored\nvanished(verdict)", 3},
		{"a function that is not in the package", "store.Vanish()", 2},
		{"a declaration after statements", "n := 1\n\nfunc f() int {\n\treturn \"a\"\n}", 5},
		{"a listing with another parameter", "package store\n\nfunc As[T any](b *Backend) (T, bool)", 4},
		{"a listing with another result", "package store\n\nfunc (Verdict) String() []byte", 4},
		{"a listing with a method too many", "package store\n\ntype Tier interface {\n\tTier() string\n\tVanish()\n}", 4},
		{"a listing with a method too few", "package store\n\ntype Tier interface{}", 4},
		{"a listing with another field", "package store\n\ntype Fence struct {\n\tTick int\n}", 5},
		{"a listing with another underlying type", "package store\n\ntype Verdict int", 4},
	}
	var all []snippet
	for i, tt := range tests {
		found, err := readSnippets(fmt.Sprintf("broken%d.md", i), "```go\n"+tt.text+"\n```\n")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	problems := compile(t, dir, all)
	for i, tt := range tests {
		if at := fmt.Sprintf("broken%d.md:%d", i, tt.line); !strings.Contains(problems, at) {
			t.Errorf("%s: no complaint about %s", tt.name, at)
		}
	}
	if t.Failed() {
		t.Log(problems)
	}
}

func TestMisspeltDirectivesAreFound(t *testing.T) {
	t.Parallel()
	const code = "```go\nn := 1\n```\n"
	tests := []struct{ name, text string }{
		{"a skip without a reason", "<!-- snippet: skip -->\n" + code},
		{"a word that is none", "<!-- snippet: sikp (later) -->\n" + code},
		{"nothing to continue", "<!-- snippet: continues -->\n" + code},
		{"a block that is not Go", "<!-- snippet: skip (later) -->\n```sh\nls\n```\n"},
		{"text in between", "<!-- snippet: skip (later) -->\ntext\n" + code},
		{"no block at all", "<!-- snippet: skip (later) -->\n"},
		{"a block that does not end", "```go\nn := 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := readSnippets("a.md", tt.text); err == nil {
				t.Error("no error")
			}
		})
	}
}
