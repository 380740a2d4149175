package security_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	echocache "github.com/echocache/echocache/middleware"
	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

// kind is a way to mount the cache.
type kind struct {
	name string
	// identified: the application can tell who is asking.
	identified bool
	policy     func(output.Policy) output.Policy
}

var (
	forNobody = kind{"For", false, func(p output.Policy) output.Policy { return p }}
	forKnown  = kind{"For, with Config.User", true, func(p output.Policy) output.Policy { return p }}
	perUser   = kind{"PerUser", true, output.Policy.PerUser}
	public    = kind{"Public", false, output.Policy.Public}
)

// kinds returns how a case can be mounted. A user's own page is PerUser and nothing else. What is declared the same for
// everybody is so under all policies: shared by those who are nobody, the user's own, or public. Of memory nothing
// depends on whose it is, and what takes a while is mounted once.
func (a *attack) kinds() []kind {
	switch {
	case a.scope() != "":
		return []kind{perUser}
	case a.heavy():
		return []kind{forNobody}
	default:
		return []kind{forNobody, forKnown, perUser, public}
	}
}

// differs says where the contract of the policy is another than what the case takes for granted, by the case's id. The
// case is run all the same: the rest of it has to hold, and this has to be how it differs.
var differs = map[string]string{
	"USR-19": `For decides, not the handler's max-age, which is for browsers (DECISIONS): "max-age=0" is kept, "no-store" is not`,
}

// who says who is asking, from the request that the client sent. A case that has users names their header. Else a user is
// whoever holds the Authorization, and everybody else is the same one where there must be one.
func (k kind) who(a *attack) func(*http.Request) string {
	scope, inside := strings.CutPrefix(a.scope(), "header:")
	return func(r *http.Request) string {
		switch {
		case inside:
			return r.Header.Get(scope)
		case a.scope() != "" || !k.identified:
			return ""
		case r.Header.Get("Authorization") != "" || k.name != perUser.name:
			return r.Header.Get("Authorization")
		default:
			return "somebody"
		}
	}
}

// declared are the request headers that a policy has to name because the handler says that its answer depends on them.
// User-Agent is not among them: it is what a handler must not vary on.
func (a *attack) declared() (found []string) {
	for _, r := range a.Setup.Routes {
		if has(r.Handler.Body, "{negotiate}") {
			found = append(found, "Accept")
		}
		for _, line := range r.Handler.Headers {
			if line[0] == "Vary" && line[1] == "Origin" {
				found = append(found, line[1])
			}
		}
	}
	return found
}

// mounted says in our words what a case says of a route.
func (k kind) mounted(a *attack, r *route) output.Policy {
	o := r.Cache
	p := k.policy(output.For(o.ttl()).Tag(r.Tags...))
	if names := a.declared(); len(names) > 0 {
		p = p.VaryHeader(names...)
	}
	if len(o.IgnoreQuery) > 0 {
		p = p.IgnoreQuery(o.IgnoreQuery...)
	}
	if len(o.AllowQuery) > 0 {
		p = p.VaryQuery(o.AllowQuery...)
	}
	if o.MaxEntry > 0 {
		p = p.MaxBytes(o.MaxEntry)
	}
	return p // strict inputs are what every policy has
}

// honest is the cache, mounted as a case says.
type honest struct {
	kind  kind
	cache *echocache.Cache
}

func (m honest) mount(a *attack, r *route) (chain []echo.MiddlewareFunc) {
	if len(r.Evict) > 0 {
		tags := slices.Clone(r.Evict)
		for i := range tags {
			tags[i] = strings.ReplaceAll(tags[i], "{param:", "{")
		}
		chain = append(chain, m.cache.Evict(tags...))
	}
	if r.Cache == nil {
		return chain
	}
	switch ttl := r.Cache.ttl(); r.Cache.Downstream {
	case "":
	case fmt.Sprintf("public, max-age=%d", int(ttl.Seconds())):
		chain = append(chain, echocache.Response(response.Public(ttl)))
	default:
		panic("response_headers are not known: " + r.Cache.Downstream)
	}
	return append(chain, m.cache.Output(m.kind.mounted(a, r)))
}

// naive is the mutant: keyed by method and URL, keeps whatever is answered with a 200, and replays all of its headers. It
// knows neither tags nor users.
type naive struct {
	mu    sync.Mutex
	pages map[string]answer
	held  *held
}

func (n *naive) mount(_ *attack, r *route) []echo.MiddlewareFunc {
	if r.Cache == nil {
		return nil
	}
	return []echo.MiddlewareFunc{n.serve}
}

func (n *naive) serve(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		key := c.Request().Method + " " + c.Request().URL.String()
		n.mu.Lock()
		page, ok := n.pages[key]
		n.mu.Unlock()
		if ok {
			maps.Copy(c.Response().Header(), page.header)
			return c.String(page.status, page.body)
		}
		tee := &tee{ResponseWriter: c.Response().Writer}
		c.Response().Writer = tee
		err := next(c)
		if c.Response().Status == http.StatusOK {
			n.mu.Lock()
			n.pages[key] = answer{status: http.StatusOK, header: c.Response().Header().Clone(), body: tee.text.String()}
			n.mu.Unlock()
			n.held.mu.Lock()
			n.held.values[key] = fmt.Append(nil, c.Response().Header(), tee.text.String())
			n.held.mu.Unlock()
		}
		return err
	}
}

// tee keeps what is written through it.
type tee struct {
	http.ResponseWriter
	text strings.Builder
}

func (t *tee) Write(p []byte) (int, error) {
	t.text.Write(p)
	return t.ResponseWriter.Write(p)
}

func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }
