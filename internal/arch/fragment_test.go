package arch_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// packagePaths are the packages that a fragment may use by name without importing them.
var packagePaths = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "io": "io", "log": "log", "os": "os",
	"signal": "os/signal", "slog": "log/slog", "sql": "database/sql", "strconv": "strconv", "strings": "strings",
	"sync": "sync", "testing": "testing", "time": "time",

	"breaker":    modulePath + "/breaker",
	"echocache":  modulePath + "/middleware", // the name under which every snippet knows the door
	"memstore":   modulePath + "/store/memstore",
	"output":     modulePath + "/output",
	"redisstore": modulePath + "/store/redisstore",
	"response":   modulePath + "/response",
	"store":      modulePath + "/store",
	"storetest":  modulePath + "/store/storetest",
	"tiered":     modulePath + "/store/tiered",

	"echo":       echoLib,
	"middleware": echoLib + "/middleware", // Echo's own
	"redis":      redisLib,
}

// prelude declares the names that fragments share. A fragment gets those that it uses and does not declare itself.
var prelude = map[string]string{
	"addrs":    "var addrs []string",
	"backend":  "var backend store.Backend",
	"build":    "var build string",
	"c":        "var c echo.Context",
	"cache":    "var cache *echocache.Cache",
	"ctx":      "var ctx context.Context",
	"db":       "var db shop",
	"e":        "var e *echo.Echo",
	"entries":  "var entries *store.Store",
	"err":      "var err error",
	"handler":  "var handler http.Handler",
	"id":       "var id string",
	"logger":   "var logger *slog.Logger",
	"me":       "var me *echo.Group",
	"mux":      "var mux *http.ServeMux",
	"next":     "var next echo.HandlerFunc",
	"outputs":  "var outputs *output.Cache",
	"products": "var products http.Handler",
	"rdb":      "var rdb redis.UniversalClient",
	"req":      "var req *http.Request",
	"tenant":   "func tenant(echo.Context) string { return \"\" }",
	"userID":   "func userID(echo.Context) string { return \"\" }",

	"Product": "type Product struct{ ID, Name, Brand string }",
	"shop": `type shop interface {
	Product(ctx context.Context, id string) (Product, error)
	Products(ctx context.Context) ([]Product, error)
	ProductIDs(ctx context.Context, category string) ([]string, error)
	ProductsByID(ctx context.Context, ids []string) (map[string]Product, error)
	Create(ctx context.Context, p Product) error
	Update(ctx context.Context, p Product) error
}`,

	"createOrder":   "func createOrder(echo.Context) error { return nil }",
	"createProduct": "func createProduct(echo.Context) error { return nil }",
	"deleteProduct": "func deleteProduct(echo.Context) error { return nil }",
	"getProduct":    "func getProduct(echo.Context) error { return nil }",
	"listOrders":    "func listOrders(echo.Context) error { return nil }",
	"listProducts":  "func listProducts(echo.Context) error { return nil }",
	"logo":          "func logo(echo.Context) error { return nil }",
	"now":           "func now(echo.Context) error { return nil }",
	"updateProduct": "func updateProduct(echo.Context) error { return nil }",
}

// declaration matches the first line of what can stand only, or as well, outside of a function. A var or a const of a
// fragment is a statement.
var declaration = regexp.MustCompile(`^(func [A-Za-z_(]|type |import )`)

// chunk is a run of lines of a block, with the directive that makes the compiler name the document's line.
func chunk(b block, first int, lines []string) string {
	return fmt.Sprintf("//line %s:%d\n%s\n", b.file, b.line+first, strings.Join(lines, "\n"))
}

// split takes a block apart into imports, declarations and statements. It goes by what gofmt guarantees: a
// declaration begins at the left margin and ends with the next brace or parenthesis there, or on its own line.
func split(b block) (imports, declarations, statements string) {
	lines := strings.Split(strings.TrimRight(b.text, "\n"), "\n")
	for i := 0; i < len(lines); {
		end := i + 1
		into := &statements
		if declaration.MatchString(lines[i]) {
			into = &declarations
			if strings.HasPrefix(lines[i], "import ") {
				into = &imports
			}
			for last := lines[i]; opens(last) && end < len(lines); end++ {
				if lines[end] == "}" || lines[end] == ")" {
					end++
					break
				}
			}
		} else {
			for end < len(lines) && !declaration.MatchString(lines[end]) {
				end++
			}
		}
		*into += chunk(b, i, lines[i:end])
		i = end
	}
	return imports, declarations, statements
}

// opens tells whether a declaration goes on after its first line.
func opens(line string) bool {
	code, _, _ := strings.Cut(line, " //")
	code = strings.TrimSpace(code)
	return strings.HasSuffix(code, "{") || strings.HasSuffix(code, "(")
}

// wrap makes a file of package name out of a fragment.
func wrap(name string, blocks []block) (string, error) {
	var imports, declarations, statements string
	for _, b := range blocks {
		i, d, s := split(b)
		imports, declarations, statements = imports+i, declarations+d, statements+s
	}
	body := imports + declarations + "\nfunc _() error {\n" + statements + "//line snippet:1\n"
	uses, err := localUses(body)
	if err != nil {
		return "", err
	}
	return complete(name, body+uses+"return nil\n}\n", "")
}

// localUses returns statements that use every variable that the function at the end of a file declares, because a
// fragment may well stop at the interesting line.
func localUses(unfinished string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+unfinished+"}\n", parser.SkipObjectResolution)
	if err != nil {
		return "", fmt.Errorf("parse: %w", err)
	}
	function, ok := file.Decls[len(file.Decls)-1].(*ast.FuncDecl)
	if !ok {
		return "", errors.New("a declaration among the statements is not closed")
	}
	var uses string
	for _, statement := range function.Body.List {
		for _, name := range declared(statement) {
			if name != "_" {
				uses += "_ = " + name + "\n"
			}
		}
	}
	return uses, nil
}

func declared(statement ast.Stmt) []string {
	var names []string
	switch s := statement.(type) {
	case *ast.AssignStmt:
		for _, left := range s.Lhs {
			if name, ok := left.(*ast.Ident); ok && s.Tok == token.DEFINE {
				names = append(names, name.Name)
			}
		}
	case *ast.DeclStmt:
		ast.Inspect(s, func(n ast.Node) bool {
			if values, ok := n.(*ast.ValueSpec); ok {
				for _, name := range values.Names {
					names = append(names, name.Name)
				}
				return false
			}
			return true
		})
	}
	return names
}

// complete adds to a file without a package clause what it lacks: the clause, the imports, and the declarations of the
// prelude, which may lack more. extra is an import that is there for sure.
func complete(name, text, extra string) (string, error) {
	tail := "//line prelude:1\n"
	added := map[string]bool{}
	for {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package "+name+"\n"+text+tail, 0)
		if err != nil {
			return "", fmt.Errorf("parse: %w", err)
		}
		imports := map[string]string{}
		grown := false
		for _, ident := range file.Unresolved {
			path, isPackage := packagePaths[ident.Name]
			declares, isShared := prelude[ident.Name]
			switch {
			case isPackage && !imported(file, ident.Name):
				imports[ident.Name] = path
			case isShared && !added[ident.Name]:
				added[ident.Name], grown = true, true
				tail += declares + "\n"
			}
		}
		if grown {
			continue
		}
		head := "package " + name + "\n" + extra
		for _, as := range slices.Sorted(maps.Keys(imports)) {
			head += fmt.Sprintf("import %s %q\n", as, imports[as])
		}
		return head + text + tail, nil
	}
}

// imported tells whether a file imports a package under a name, or under a path that ends in it.
func imported(file *ast.File, name string) bool {
	return slices.ContainsFunc(file.Imports, func(spec *ast.ImportSpec) bool {
		if spec.Name != nil {
			return spec.Name.Name == name
		}
		path := strings.Trim(spec.Path.Value, `"`)
		return path == packagePaths[name] || path[strings.LastIndexByte(path, '/')+1:] == name
	})
}
