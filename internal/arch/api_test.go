package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryPublicNameIsListed wants every exported name of every public package in a listing of docs/API.md. The other
// direction, that what is listed is there and as it is listed, is TestSnippetsCompile's.
func TestEveryPublicNameIsListed(t *testing.T) {
	t.Parallel()
	dir := root(t)
	watch(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "docs", "API.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared := publicNames(t, dir)
	for _, name := range []string{"store.Backend.Lookup", "output.Policy.Tag", "middleware.Config.User", "memstore.New"} {
		if !declared[name] {
			t.Errorf("%s is not among the names found: the search is broken", name)
		}
	}
	for _, name := range unlisted(t, declared, string(text)) {
		t.Errorf("docs/API.md does not list %s", name)
	}
}

// TestUnlistedNamesAreFound leaves one name of each kind out of a listing.
func TestUnlistedNamesAreFound(t *testing.T) {
	t.Parallel()
	const source = `package p

const Limit = 1
var ErrGone error
func New[T any](x T) T { return x }
type Box[T any] struct { Size, Depth int; hidden int }
func (b *Box[T]) Open() {}
func (b Box[T]) Close() {}
type Opener interface { Open(); shut() }
func (h hidden) Exported() {}
type hidden int
func internal() {}
`
	names := parsed(t, source)
	want := []string{
		"p.Box", "p.Box.Close", "p.Box.Depth", "p.Box.Open", "p.Box.Size", "p.ErrGone", "p.Limit", "p.New", "p.Opener",
		"p.Opener.Open",
	}
	if got := slices.Sorted(maps.Keys(names)); !slices.Equal(got, want) {
		t.Errorf("found %q\nwant  %q", got, want)
	}
	if got := unlisted(t, names, "```go\n"+source+"```\n"); len(got) > 0 {
		t.Errorf("all is listed, and %q is missing", got)
	}
	for _, row := range []struct{ name, listed, left string }{
		{"p.Limit", "const Limit = 1", ""},
		{"p.ErrGone", "var ErrGone error", ""},
		{"p.New", "func New[", "func newBox["},
		{"p.Box.Depth", "Size, Depth", "Size"},
		{"p.Box.Open", "func (b *Box[T]) Open() {}", ""},
		{"p.Box.Close", "func (b Box[T]) Close() {}", ""},
		{"p.Opener.Open", "{ Open();", "{"},
	} {
		listing := "```go\n" + strings.Replace(source, row.listed, row.left, 1) + "```\n"
		if got := unlisted(t, names, listing); !slices.Equal(got, []string{row.name}) {
			t.Errorf("without %s: found %q", row.name, got)
		}
	}
	// What stands in prose, in a block that is skipped, or in another package's listing is not listed.
	for name, text := range map[string]string{
		"prose":           "Limit, New, Box.Open\n",
		"another package": "```go\n" + strings.Replace(source, "package p", "package q", 1) + "```\n",
		"a skipped block": "<!-- snippet: skip (why not) -->\n```go\n" + source + "```\n",
	} {
		if got := unlisted(t, names, text); len(got) != len(want) {
			t.Errorf("%s: only %q is found", name, got)
		}
	}
}

// unlisted returns which of names no listing in a Markdown text has, in order.
func unlisted(t *testing.T, names map[string]bool, text string) []string {
	t.Helper()
	found, err := readSnippets("API.md", text)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, s := range found {
		for _, b := range s.blocks {
			_, err := parser.ParseFile(token.NewFileSet(), "", b.text, parser.PackageClauseOnly)
			if err == nil && s.skip == "" {
				maps.Copy(listed, parsed(t, b.text))
			}
		}
	}
	var missing []string
	for name := range names {
		if !listed[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// publicNames returns the exported names of the packages that others can import.
func publicNames(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return private(dir, path)
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			maps.Copy(names, parsed(t, string(text)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// private returns fs.SkipDir for a directory from which nobody else can import.
func private(root, path string) error {
	if path == root {
		return nil
	}
	name := filepath.Base(path)
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	if err == nil || name == "internal" || name == "testdata" || strings.HasPrefix(name, ".") {
		return fs.SkipDir
	}
	return nil
}

// parsed returns the exported names of a file, as package.Name or package.Type.Name. A program has none.
func parsed(t *testing.T, text string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	if file.Name.Name == "main" {
		return names
	}
	add := func(path ...string) {
		if !slices.ContainsFunc(path, func(name string) bool { return !ast.IsExported(name) }) {
			names[file.Name.Name+"."+strings.Join(path, ".")] = true
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name.Name)
			} else {
				add(receiver(d.Recv.List[0].Type), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				specNames(spec, add)
			}
		}
	}
	return names
}

func specNames(spec ast.Spec, add func(path ...string)) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			add(name.Name)
		}
	case *ast.TypeSpec:
		add(s.Name.Name)
		var members *ast.FieldList
		switch t := s.Type.(type) {
		case *ast.StructType:
			members = t.Fields
		case *ast.InterfaceType:
			members = t.Methods
		default:
			return
		}
		for _, member := range members.List {
			for _, name := range member.Names {
				add(s.Name.Name, name.Name)
			}
		}
	}
}

// receiver returns the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	default:
		return ""
	}
}
