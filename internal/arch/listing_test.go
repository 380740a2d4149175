package arch_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"strings"
)

// A listing is a block with the package clause of one of our packages: its API as a document shows it. It becomes a
// file that holds each declaration against the package itself, so that the compiler finds what differs:
//
//	func Key(entity string, id ...any) string     var _ func(entity string, id ...any) string = subject.Key
//	func (*Store) Close() error                   var _ func(*subject.Store) error = (*subject.Store).Close
//	type Verdict uint8                            var _ = (*uint8)((*subject.Verdict)(nil))
//	type Fence struct { Tick uint64 }             var _ *(uint64) = &new(subject.Fence).Tick
//
// What the package has and the listing leaves out is not found.

// listing writes the assertions of one listing.
type listing struct {
	fset  *token.FileSet
	out   strings.Builder
	block block
}

// assert makes a file of package name out of a listing of the package at importPath.
func assert(name, importPath string, b block) (string, error) {
	l := listing{fset: token.NewFileSet(), block: b}
	file, err := parser.ParseFile(l.fset, "", b.text, parser.SkipObjectResolution)
	if err != nil {
		return "", fmt.Errorf("parse: %w", err)
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			l.function(d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				l.spec(d.Tok, spec)
			}
		}
	}
	return complete(name, l.out.String(), fmt.Sprintf("import subject %q\n", importPath))
}

// importPathOf returns the package that a listing lists: the one of this name that rules knows.
func importPathOf(name string) (string, bool) {
	for own := range rules {
		if path.Base(own) == name {
			return modulePath + "/" + own, true
		}
	}
	return "", false
}

func (l *listing) function(d *ast.FuncDecl) {
	params, names := map[string]bool{}, []string{}
	if d.Type.TypeParams != nil {
		for _, field := range d.Type.TypeParams.List {
			for _, name := range field.Names {
				params[name.Name], names = true, append(names, name.Name)
			}
		}
	}
	signature := &ast.FuncType{Params: d.Type.Params, Results: d.Type.Results}
	subject := "subject." + d.Name.Name
	if d.Recv != nil {
		receiver := d.Recv.List[0].Type
		signature.Params = &ast.FieldList{List: append([]*ast.Field{{Type: receiver}}, unnamed(d.Type.Params)...)}
		subject = "(" + l.text(receiver, params) + ")." + d.Name.Name
	}
	l.line(d)
	if len(names) == 0 {
		fmt.Fprintf(&l.out, "var _ %s = %s\n", l.text(signature, params), subject)
		return
	}
	// A generic function has no value before it is instantiated, which only another one can do for all types.
	generic := l.text(&ast.FuncType{TypeParams: d.Type.TypeParams, Params: &ast.FieldList{}}, params)
	fmt.Fprintf(&l.out, "func _%s { var _ %s = %s[%s] }\n",
		strings.TrimPrefix(generic, "func"), l.text(signature, params), subject, strings.Join(names, ", "))
}

// unnamed returns the types of parameters one by one, without their names.
func unnamed(params *ast.FieldList) []*ast.Field {
	var fields []*ast.Field
	for _, field := range params.List {
		for range max(1, len(field.Names)) {
			fields = append(fields, &ast.Field{Type: field.Type})
		}
	}
	return fields
}

func (l *listing) spec(kind token.Token, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			l.line(s)
			switch {
			case s.Type == nil:
				fmt.Fprintf(&l.out, "var _ = subject.%s\n", name.Name)
			case kind == token.CONST:
				fmt.Fprintf(&l.out, "var _ %s = subject.%s\n", l.text(s.Type, nil), name.Name)
			default:
				fmt.Fprintf(&l.out, "var _ *%s = &subject.%s\n", l.text(s.Type, nil), name.Name)
			}
		}
	case *ast.TypeSpec:
		l.typeSpec(s)
	}
}

// typeSpec compares through pointers: a value may be assigned to, or converted into, much that is not its type.
func (l *listing) typeSpec(s *ast.TypeSpec) {
	name := "subject." + s.Name.Name
	l.line(s)
	switch t := s.Type.(type) {
	case *ast.StructType:
		// A document may leave fields out, so each stands for itself.
		fmt.Fprintf(&l.out, "var _ %s\n", name)
		for _, field := range t.Fields.List {
			for _, f := range field.Names {
				l.line(field)
				fmt.Fprintf(&l.out, "var _ *(%s) = &new(%s).%s\n", l.text(field.Type, nil), name, f.Name)
			}
		}
	default:
		fmt.Fprintf(&l.out, "var _ = (*%s)(\n", l.text(t, nil))
		l.line(s)
		fmt.Fprintf(&l.out, "(*%s)(nil))\n", name)
	}
}

// line makes the compiler name the line of the document at which a node stands.
func (l *listing) line(n ast.Node) {
	fmt.Fprintf(&l.out, "//line %s:%d\n", l.block.file, l.block.line+l.fset.Position(n.Pos()).Line-1)
}

// text writes a type, with the names that belong to the listed package qualified.
func (l *listing) text(n ast.Node, typeParams map[string]bool) string {
	qualify(n, typeParams)
	var b bytes.Buffer
	if err := format.Node(&b, token.NewFileSet(), n); err != nil {
		return err.Error() // which does not compile, and says why
	}
	return b.String()
}

// qualify puts "subject." before every exported name of a type that stands alone. Doing it twice changes nothing.
func qualify(n ast.Node, typeParams map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr: // of another package
			return false
		case *ast.Field: // its names are no types
			qualify(n.Type, typeParams)
			return false
		case *ast.Ident:
			if n.IsExported() && !typeParams[n.Name] && !strings.Contains(n.Name, ".") {
				n.Name = "subject." + n.Name
			}
		}
		return true
	})
}
