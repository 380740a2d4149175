package output

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/echocache/echocache/store"
)

// implicitTags is how many tags of its own the cache gives every page: of the cache, the route and the path.
const implicitTags = 3

func cacheTag(name string) string  { return "*" + name }
func routeTag(route string) string { return bounded("r:", route) }
func pathTag(path string) string   { return bounded("p:", path) }

// bounded returns a tag that is no longer than a tag may be: a long name is replaced by its hash.
func bounded(prefix, name string) string {
	if len(prefix)+len(name) <= store.MaxTagBytes {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(name))
	return prefix + name[:128] + "#" + hex.EncodeToString(sum[:])
}

// Evict forgets every page, and every value in the same store, that carries one of the tags. Once it has returned nil
// no request that arrives afterwards is answered with a page whose handler began before the call (I-1). An error
// means that this is not certain yet, or that a tag is invalid; then nothing was evicted.
func (c *Cache) Evict(ctx context.Context, tags ...string) error {
	for _, t := range tags {
		if err := store.CheckTag(t); err != nil {
			return err
		}
	}
	return c.evict(ctx, tags...)
}

// Erase is Evict, and frees what was evicted; see [store.Store.Erase]. It is for deletion requests, and not for a request's
// way.
func (c *Cache) Erase(ctx context.Context, tags ...string) error {
	return errors.Join(c.Evict(ctx, tags...), c.store.Erase(ctx))
}

// EvictPath forgets all pages of one URL path, given as in a request line ("/products/7", "/brands/A%20B"), whatever
// their host, query or variant, and however the path was spelt.
func (c *Cache) EvictPath(ctx context.Context, path string) error {
	plain, err := url.PathUnescape(path)
	if err != nil || !strings.HasPrefix(plain, "/") {
		return fmt.Errorf("output: evict path %q: it must begin with / and have only valid escapes", path)
	}
	return c.evict(ctx, pathTag(plain))
}

// EvictRoute forgets all pages of one route, given by its pattern ("/products/:id").
func (c *Cache) EvictRoute(ctx context.Context, pattern string) error {
	if pattern == "" {
		return fmt.Errorf("output: evict route: the pattern is empty")
	}
	return c.evict(ctx, routeTag(pattern))
}

// EvictAll forgets all pages of this cache. Values and other caches' pages in the same store stay.
func (c *Cache) EvictAll(ctx context.Context) error { return c.evict(ctx, cacheTag(c.config.Name)) }

func (c *Cache) evict(ctx context.Context, tags ...string) error {
	if len(tags) == 0 {
		return nil
	}
	err := c.backend.Evict(ctx, tags...)
	c.counters.evictions.Add(1)
	if err != nil {
		c.counters.unproven.Add(1)
		c.config.Logger.ErrorContext(ctx, "eviction not confirmed", "cache", c.config.Name, "tags", len(tags), "error", err)
		err = fmt.Errorf("output: evict %d tags: %w", len(tags), err)
	}
	c.config.Observer.Evicted(Event{Cache: c.config.Name, Tags: tags, Err: err})
	return err
}
