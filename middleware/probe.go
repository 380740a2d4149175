package middleware

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/internal/mark"
)

// examined tells a probe what this Evict is; see package outputtest.
func (m *mounted) examined(p *mark.Probe, c echo.Context) {
	e := mark.Evict{Route: c.Path(), Transactions: transactions(c)}
	for _, t := range m.tags {
		e.Templates = append(e.Templates, t.String())
	}
	p.MetEvict(e)
}

// transactions returns what looks like an open transaction among the values of a request: a transaction that is open where
// Evict is mounted is committed after Evict has returned. Neither Echo's context nor Go's lists its values, so this looks
// at them from outside, and finds nothing where they are built otherwise.
func transactions(c echo.Context) []string {
	var found []string
	for name, kind := range contextValues(reflect.ValueOf(c)) {
		if isTransaction(kind) {
			found = append(found, fmt.Sprintf("context value %q is a %s", name, kind))
		}
	}
	for kind := range requestValues(c.Request()) {
		if isTransaction(kind) {
			found = append(found, fmt.Sprintf("a value of the request's context is a %s", kind))
		}
	}
	return found
}

// isTransaction judges a type by its name, as in *sql.Tx, *pgxpool.Tx or *mongo.Transaction.
func isTransaction(kind reflect.Type) bool {
	name := kind.String()
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.HasSuffix(name, "Tx") || strings.Contains(name, "Transaction")
}

// contextValues goes through what was set on an echo.Context, also on one that an application has wrapped.
func contextValues(v reflect.Value) func(yield func(string, reflect.Type) bool) {
	return func(yield func(string, reflect.Type) bool) {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return
		}
		if inner := v.FieldByName("Context"); inner.IsValid() && inner.Kind() == reflect.Interface {
			contextValues(inner)(yield)
			return
		}
		values := v.FieldByName("store")
		if values.Kind() != reflect.Map {
			return
		}
		for each := values.MapRange(); each.Next(); {
			if is := each.Value(); is.Kind() == reflect.Interface && !is.IsNil() && !yield(each.Key().String(), is.Elem().Type()) {
				return
			}
		}
	}
}

// requestValues goes through the types of the values in a request's context.
func requestValues(r *http.Request) func(yield func(reflect.Type) bool) {
	return func(yield func(reflect.Type) bool) {
		v := reflect.ValueOf(r.Context())
		for {
			for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
				v = v.Elem()
			}
			if v.Kind() != reflect.Struct {
				return
			}
			if is := v.FieldByName("val"); is.IsValid() && is.Kind() == reflect.Interface && !is.IsNil() && !yield(is.Elem().Type()) {
				return
			}
			if v = v.FieldByName("Context"); !v.IsValid() {
				return
			}
		}
	}
}
