package outputtest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/internal/mark"
)

// examination is what was seen so far.
type examination struct {
	echo     *echo.Echo
	seen     map[string]bool   // routes, by method and pattern
	pages    map[string]string // tags of policies, nameless, with a route
	writes   map[string]string // evicted tags, likewise
	findings []Finding
}

func (x *examination) find(k Kind, route, format string, args ...any) {
	f := Finding{k, route, fmt.Sprintf(format, args...)}
	if !slices.Contains(x.findings, f) {
		x.findings = append(x.findings, f)
	}
}

// met is what one probe has met.
type met struct {
	outputs []mark.Output
	evicts  []mark.Evict
	status  int
}

// probe sends a copy of r with a mark.
func (x *examination) probe(r *http.Request) met {
	p := &mark.Probe{}
	copied := r.Clone(mark.With(r.Context(), p))
	copied.Body, copied.ContentLength = http.NoBody, 0
	w := httptest.NewRecorder()
	x.echo.ServeHTTP(w, copied)
	m := met{status: w.Code}
	m.outputs, m.evicts = p.Met()
	return m
}

// route finds the pattern that a request matches, and its parameters.
func (x *examination) route(r *http.Request) echo.Context {
	c := x.echo.NewContext(r, httptest.NewRecorder())
	x.echo.Router().Find(r.Method, echo.GetPath(r), c)
	return c
}

// examine looks at the route of one request. given says that the request is the application's.
func (x *examination) examine(r *http.Request, given bool) {
	c := x.route(r)
	route := r.Method + " " + c.Path()
	x.seen[route] = true
	m := x.probe(r)
	if len(m.outputs) == 0 && len(m.evicts) == 0 {
		if m.status == http.StatusUnauthorized || m.status == http.StatusForbidden {
			x.find(Unreached, route, "it stands behind something that answered %d: give a request with what that wants", m.status)
		}
		return
	}
	for _, e := range m.evicts {
		for _, t := range e.Templates {
			x.writes[nameless(t)] = route
		}
		for _, text := range e.Transactions {
			x.find(Transaction, route, "%s where Evict is mounted: mount Evict outside of it, so that it evicts after the commit", text)
		}
	}
	for _, o := range m.outputs {
		for _, t := range o.Templates {
			x.pages[nameless(t)] = route
		}
		if given && !o.Off {
			x.underAuthentication(r, route, o)
			x.spellings(r, c, route, o)
		}
	}
}

// underAuthentication finds a policy for everybody where not everybody gets.
func (x *examination) underAuthentication(r *http.Request, route string, o mark.Output) {
	if !o.Shared && !o.Public || r.Header.Get("Authorization") == "" && r.Header.Get("Cookie") == "" {
		return
	}
	nobody := r.Clone(r.Context())
	nobody.Header.Del("Authorization")
	nobody.Header.Del("Cookie")
	m := x.probe(nobody)
	if len(m.outputs) > 0 || m.status < http.StatusMultipleChoices {
		return
	}
	if o.Public {
		x.find(Public, route, "without credentials it answers %d, and everybody who gets there sees the same page: PerUser, if it is not so", m.status)
		return
	}
	x.find(Shared, route, "without credentials it answers %d, and whoever has some bypasses %s: use PerUser, or Public if the page is the same for all",
		m.status, o.Policy)
}

// spellings asks for a page with its parameters spelt otherwise. If the handler takes that for the same, what evicts the
// one does not evict the other.
func (x *examination) spellings(r *http.Request, c echo.Context, route string, o mark.Output) {
	if r.Method != http.MethodGet || len(o.Templates) == 0 || x.run(r) != http.StatusOK {
		return
	}
	for i, name := range c.ParamNames() {
		if name == "*" {
			continue
		}
		for _, other := range otherwise(c.ParamValues()[i]) {
			again := r.Clone(r.Context())
			if !respell(again, c.Path(), c.ParamNames(), c.ParamValues(), i, other) {
				continue
			}
			m := x.probe(again)
			if len(m.outputs) == 0 || slices.Equal(m.outputs[0].Tags, o.Tags) || x.run(again) != http.StatusOK {
				continue
			}
			x.find(Spelling, route, "%s is answered as %s is, and is tagged %q, not %q: answer it with a 404 or a redirect, or tag it from the object",
				again.URL.EscapedPath(), r.URL.EscapedPath(), m.outputs[0].Tags, o.Tags)
		}
	}
}

// run sends a copy of r in earnest, and returns the status.
func (x *examination) run(r *http.Request) int {
	w := httptest.NewRecorder()
	x.echo.ServeHTTP(w, r.Clone(r.Context()))
	return w.Code
}

// otherwise returns other spellings of a parameter that a handler might take for the same.
func otherwise(value string) []string {
	if value == "" {
		return nil
	}
	var others []string
	if strings.Trim(value, "0123456789") == "" {
		others = append(others, "0"+value, "+"+value)
	}
	for _, cased := range []string{strings.ToUpper(value), strings.ToLower(value)} {
		if cased != value {
			others = append(others, cased)
		}
	}
	return append(others, value+"%20")
}

// respell gives a request another value of one parameter of its route. It reports false if the path cannot be built.
func respell(r *http.Request, pattern string, names, values []string, at int, value string) bool {
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		name, is := strings.CutPrefix(segment, ":")
		if !is {
			continue
		}
		n := slices.Index(names, name)
		if n < 0 {
			return false
		}
		if segments[i] = values[n]; n == at {
			segments[i] = value
		}
	}
	u, err := url.ParseRequestURI(strings.Join(segments, "/"))
	if err != nil {
		return false
	}
	u.RawQuery = r.URL.RawQuery
	r.URL, r.RequestURI = u, u.RequestURI()
	return true
}

// madeUp is a request for a route that none was given for.
func madeUp(pattern string) *http.Request {
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, ":") || segment == "*" {
			segments[i] = "1"
		}
	}
	target := strings.Join(segments, "/")
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return httptest.NewRequestWithContext(context.Background(), http.MethodGet, target, http.NoBody)
}

// compareTags finds tags that stand on one side only.
func (x *examination) compareTags(ignore []string) {
	ignored := func(tag string) bool {
		return slices.ContainsFunc(ignore, func(i string) bool { return nameless(i) == tag })
	}
	for tag, route := range x.pages {
		if _, evicted := x.writes[tag]; !evicted && !ignored(tag) {
			x.find(NeverEvicted, route, "no route that was examined evicts %q: its pages live until their time is over", tag)
		}
	}
	for tag, route := range x.writes {
		if _, carried := x.pages[tag]; !carried && !ignored(tag) {
			x.find(EvictsNothing, route, "no policy has the tag %q: is it spelt otherwise there?", tag)
		}
	}
	slices.SortFunc(x.findings, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
}
