package security_test

import (
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

var (
	repetition  = regexp.MustCompile(`\{rep:(.*?):(\d+)\}`)
	placeholder = regexp.MustCompile(`\{([a-z_]+)(?::([^}|]*))?(?:\|([^}]*))?\}`)
	unique      atomic.Int64
)

// repeated writes repetitions out.
func repeated(text string) string {
	return repetition.ReplaceAllStringFunc(text, func(m string) string {
		p := repetition.FindStringSubmatch(m)
		n, _ := strconv.Atoi(p[2])
		return strings.Repeat(p[1], n)
	})
}

// long returns the length of a text that is nothing but one repeated letter, else 0.
func long(text string) (size int, letter string) {
	p := repetition.FindStringSubmatch(text)
	if p == nil || p[0] != text || len(p[1]) != 1 {
		return 0, ""
	}
	size, _ = strconv.Atoi(p[2])
	return size, p[1]
}

// numbered puts in the number of a request among those like it.
func numbered(text string, i int) string { return strings.ReplaceAll(text, "{i}", strconv.Itoa(i)) }

// render fills in a template: what the handler of a case shows of its request.
func (x *app) render(c echo.Context, text string, n int, bound string) string {
	return placeholder.ReplaceAllStringFunc(repeated(text), func(m string) string {
		p := placeholder.FindStringSubmatch(m)
		value := x.look(c, p[1], p[2], n, bound)
		if value == "" && p[3] != "" {
			return x.look(c, p[3], "", n, bound)
		}
		return value
	})
}

func (x *app) look(c echo.Context, what, name string, n int, bound string) string {
	r := c.Request()
	switch what {
	case "n":
		return strconv.Itoa(n)
	case "header":
		return r.Header.Get(name)
	case "query":
		return c.QueryParam(name)
	case "query_all":
		return strings.Join(c.QueryParams()[name], ",")
	case "rawquery":
		return r.URL.RawQuery
	case "path":
		return r.URL.Path
	case "param":
		return c.Param(name)
	case "host":
		return r.Host
	case "scheme":
		return c.Scheme()
	case "realip":
		return c.RealIP()
	case "method":
		return r.Method
	case "user":
		return user(c)
	case "bind":
		return bound
	case "uuid":
		return strconv.FormatInt(unique.Add(1), 10)
	case "cookie":
		if cookie, err := c.Cookie(name); err == nil {
			return cookie.Value
		}
		return ""
	case "db":
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.db[name]
	case "negotiate":
		c.Response().Header().Add("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "json") {
			return "json"
		}
		return "html"
	}
	x.tb.Errorf("%s: {%s} is not known", x.attack.ID, what)
	return ""
}
