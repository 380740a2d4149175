// Package outputtest examines how an application has mounted its cache, in a test of the application:
//
//	func TestCache(t *testing.T) {
//		e := newServer()
//		outputtest.Check(t, e,
//			httptest.NewRequest(http.MethodGet, "/products/7", nil),
//			httptest.NewRequest(http.MethodPut, "/products/7", nil),
//		)
//	}
//
// It sends each request with a mark in its context, by which Output and Evict tell what they are in place of going on: no
// handler inside of them runs. A route for GET that no request is for is asked for with made-up parameters; for any other
// method a request has to be given, since what it meets might not be an Evict.
//
// What only a handler says, a tag that it adds or evicts, is not seen; name it in [Checker.Ignore].
package outputtest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// Kind is what a [Finding] is about.
type Kind string

// The kinds of findings.
const (
	// Shared: a policy that is neither PerUser nor Public stands where only somebody known gets: nobody ever hits it.
	Shared Kind = "shared policy under authentication"
	// Public: the same with Public, which is right if everybody who gets there is shown the same. It is a note.
	Public Kind = "public policy under authentication"
	// NeverEvicted: no route that was examined evicts a tag that a policy names.
	NeverEvicted Kind = "tag that nobody evicts"
	// EvictsNothing: a route evicts a tag that no policy names.
	EvictsNothing Kind = "evicted tag that no page has"
	// Spelling: the handler takes a parameter that is spelt otherwise for the same, and the page's tag is another one.
	Spelling Kind = "parameter with several spellings"
	// Transaction: Evict is mounted inside a transaction, and so evicts before the commit.
	Transaction Kind = "Evict inside a transaction"
	// Unreached: something answered before the request came to an Output or an Evict. It is a note.
	Unreached Kind = "not reached"
	// Unexamined: no request was given for a route that may write. It is a note.
	Unexamined Kind = "not examined"
)

// note reports whether a finding of this kind is none that a test should fail for.
func (k Kind) note() bool { return k == Public || k == Unreached || k == Unexamined }

// Finding is something about one route.
type Finding struct {
	Kind  Kind
	Route string // method and pattern
	Text  string // what was seen, and what to do
}

// String returns the finding as one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Route, f.Kind, f.Text) }

// Checker examines applications. The zero value works.
type Checker struct {
	// Ignore are tags, as they are written in policies, that handlers add or evict, or that something else evicts. The
	// name of a parameter does not matter: "product:{id}" is "product:{}".
	Ignore []string
}

// Check is that of a zero [Checker].
func Check(tb testing.TB, e *echo.Echo, requests ...*http.Request) {
	tb.Helper()
	Checker{}.Check(tb, e, requests...)
}

// Check fails tb for each finding, and logs what is only a note.
func (c Checker) Check(tb testing.TB, e *echo.Echo, requests ...*http.Request) {
	tb.Helper()
	for _, f := range c.Examine(e, requests...) {
		if f.Kind.note() {
			tb.Log(f)
		} else {
			tb.Error(f)
		}
	}
}

// Examine returns all findings, notes included.
func (c Checker) Examine(e *echo.Echo, requests ...*http.Request) []Finding {
	x := &examination{echo: e, seen: make(map[string]bool), pages: make(map[string]string), writes: make(map[string]string)}
	for _, r := range requests {
		x.examine(r, true)
	}
	for _, route := range e.Routes() {
		switch {
		case x.seen[route.Method+" "+route.Path]:
		case route.Method == http.MethodGet:
			x.examine(madeUp(route.Path), false)
		case changes(route.Method):
			x.find(Unexamined, route.Method+" "+route.Path, "give a request for it, so that what it evicts can be seen")
		}
	}
	x.compareTags(c.Ignore)
	return x.findings
}

// changes reports whether a method may change something.
func changes(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	default:
		return false
	}
}

// nameless returns a template without the names in its braces: another route calls its parameter otherwise.
func nameless(template string) string {
	var b strings.Builder
	for {
		text, rest, open := strings.Cut(template, "{")
		b.WriteString(text)
		if !open {
			return b.String()
		}
		_, template, _ = strings.Cut(rest, "}")
		b.WriteString("{}")
	}
}
