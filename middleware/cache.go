package middleware

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/echocache/echocache/output"
)

// Config of a [Cache]. The zero value works: a cache in this process of 64 MiB.
type Config struct {
	// Skipper takes requests out of everything that the cache mounts. Nil skips none.
	Skipper middleware.Skipper
	// Cache keeps the pages. Nil: one of 64 MiB in this process. Its own User, Values and IgnoreCookies are for
	// plain net/http and mean nothing here.
	Cache *output.Cache
	// User returns who is asking, "" for nobody: an id that no two people share and that a client cannot choose,
	// so neither an address nor an unverified token. Nil says that the application cannot tell; then a request
	// that may be somebody's bypasses every policy that is not Public. There is no default.
	User func(echo.Context) string
	// Values are named inputs from the context, for example "tenant" or "role", for Policy.VaryValue and for names
	// in tags. They are read outside of the cache, so what they depend on is mounted outside.
	Values map[string]func(echo.Context) string
	// PerClient are keys of the echo.Context, and of the request's, that hold something of one client, such as a form's
	// token. While a page is filled they are nil. Nil: output.DefaultPerClient, for the CSRF middleware of Echo and
	// of gorilla. In the request's context only strings are found, of whatever type: it cannot be asked for others.
	PerClient []string
	// IgnoreCookies are cookies that mean nothing to the application; a name may end in "*". Nil: those of the
	// known analytics scripts.
	IgnoreCookies []string
}

// Cache mounts an [output.Cache] on the routes of an Echo application. All methods may be called concurrently.
type Cache struct {
	config  Config
	outputs *output.Cache
	door    output.Door
	plain   reflect.Type // Echo's own context, as opposed to an application's
}

// New returns a cache. It reports every mistake in the configuration, down to the backend's, and does no I/O.
func New(c Config) (*Cache, error) {
	for name, f := range c.Values {
		switch {
		case name == "":
			return nil, errors.New(`middleware: Config.Values[""]: give the value a name, it is part of keys and tags`)
		case f == nil:
			return nil, fmt.Errorf("middleware: Config.Values[%q] is nil: set the function that returns the value", name)
		}
	}
	for _, list := range []struct {
		field string
		names []string
	}{{"PerClient", c.PerClient}, {"IgnoreCookies", c.IgnoreCookies}} {
		if slices.Contains(list.names, "") {
			return nil, fmt.Errorf(`middleware: Config.%s contains "": name each one or leave it out`, list.field)
		}
	}
	if c.PerClient == nil {
		c.PerClient = output.DefaultPerClient()
	}
	outputs := c.Cache
	if outputs == nil {
		var err error
		if outputs, err = output.New(output.Config{}); err != nil {
			return nil, fmt.Errorf("middleware: %w", err)
		}
	}
	return &Cache{config: c, outputs: outputs, plain: reflect.TypeOf(echo.New().NewContext(nil, nil)), door: output.Door{
		Identified:    c.User != nil,
		Values:        slices.Sorted(maps.Keys(c.Values)),
		IgnoreCookies: c.IgnoreCookies,
		PerClient:     c.PerClient,
	}}, nil
}

// Must returns c. It panics on an error, for caches that are made where nothing can be returned.
func Must(c *Cache, err error) *Cache {
	if err != nil {
		panic(err)
	}
	return c
}

// Outputs returns the cache behind the door: its statistics, and evictions outside of a request.
func (c *Cache) Outputs() *output.Cache { return c.outputs }

// Close ends what is under way and closes the cache and its store, whoever made them, and says what is left undone. It
// belongs after Echo's Shutdown and before the database is closed. Requests that still come pass by the cache. A
// second call does nothing.
func (c *Cache) Close() error {
	return errors.Join(c.outputs.Close(), c.outputs.Store().Close())
}

// skipper returns the skipper of one middleware: its own, else the cache's, else nil.
func (c *Cache) skipper(own middleware.Skipper) middleware.Skipper {
	if own != nil {
		return own
	}
	return c.config.Skipper
}

func (c *Cache) user(ctx echo.Context) string {
	if c.config.User == nil {
		return ""
	}
	return c.config.User(ctx)
}

func (c *Cache) value(ctx echo.Context, name string) (string, bool) {
	f, known := c.config.Values[name]
	if !known {
		return "", false
	}
	return f(ctx), true
}
