package middleware

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/store"
)

// evictBudget is how long the answer to a write waits for its eviction to be confirmed.
const evictBudget = 500 * time.Millisecond

// scope is one request on its way through an Evict: what is to be evicted, and what has been seen of the answer.
type scope struct {
	mounted   *mounted
	context   echo.Context
	templates []output.Template

	mu     sync.Mutex
	tags   []string // named by the handler
	status int      // of the answer, when its head was written; 0 = not yet
}

// open makes a scope and lets it see the answer's head before the client does.
func (m *mounted) open(c echo.Context, templates []output.Template) *scope {
	s := &scope{mounted: m, context: c, templates: templates}
	c.Set(scopeKey, s)
	response := c.Response()
	response.Before(func() { s.head(response) })
	return s
}

func (s *scope) add(tags []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tag := range tags {
		if store.CheckTag(tag) != nil {
			// Not the tag itself: it may hold a user's id.
			s.context.Logger().Errorf("echocache: Evict on %s: a tag that store.CheckTag refuses is ignored", s.context.Path())
			continue
		}
		s.tags = append(s.tags, tag)
	}
}

// head is the first moment: nothing of the answer has left yet.
func (s *scope) head(response *echo.Response) {
	s.mu.Lock()
	s.status = response.Status
	s.mu.Unlock()
	if !wrote(response.Status) {
		return
	}
	if err := s.evict(); err != nil && s.mounted.strict {
		unavailable(response)
	}
}

// leave is the second moment: the chain below is done. It returns an error to answer with, if there is one.
func (s *scope) leave(panicked bool, err error) error {
	s.mu.Lock()
	status := s.status
	s.mu.Unlock()
	switch {
	case panicked:
	case status == 0 && err != nil:
		//nolint:nilerr // whoever renders the error writes a head, and that is the first moment
		return nil
	case status != 0 && !informational(status) && !wrote(status):
		return nil
	}
	failed := s.evict()
	if failed != nil && s.mounted.strict && !panicked && !s.context.Response().Committed {
		return echo.ErrServiceUnavailable.WithInternal(failed)
	}
	return nil
}

// wrote reports whether an answer with this status may have changed something: 5xx may have, after the change.
func wrote(status int) bool { return status >= 200 && status < 400 || status >= 500 }

func informational(status int) bool { return status >= 100 && status < 200 }

// evict evicts what the route and the handler have named. The client cannot cancel it.
func (s *scope) evict() error {
	s.mu.Lock()
	tags := append([]string(nil), s.tags...)
	s.mu.Unlock()
	c, cache := s.context, s.mounted.cache
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), evictBudget)
	defer cancel()
	for _, template := range s.templates {
		tag, err := template.Expand(s.names())
		switch {
		case errors.Is(err, output.ErrUnknownName):
			// A mistake in the program. Nobody knows what to evict, so everything is.
			c.Logger().Errorf("echocache: Evict on %s: %v: the whole cache is evicted instead", c.Path(), err)
			return cache.outputs.EvictAll(ctx)
		case err != nil:
			continue // no page can carry it: a page with the same template would not have been kept
		}
		tags = append(tags, tag)
	}
	return cache.outputs.Evict(ctx, tags...)
}

// names are what a template may name in this request.
func (s *scope) names() output.Scope {
	c, cache := s.context, s.mounted.cache
	return output.Scope{
		Param:      func(name string) (string, bool) { return param(c, name) },
		Value:      func(name string) (string, bool) { return cache.value(c, name) },
		User:       cache.user(c),
		Identified: cache.config.User != nil,
	}
}

// unavailable turns an answer whose head is about to be written into a 503 without a body.
func unavailable(response *echo.Response) {
	response.Status = http.StatusServiceUnavailable
	h := response.Header()
	for _, name := range []string{
		"Content-Type", "Content-Encoding", "Content-Language", "Content-Range", "Etag", "Last-Modified", "Location",
		"Set-Cookie", "Accept-Ranges",
	} {
		h.Del(name)
	}
	h.Set("Content-Length", "0")
	h.Set("Cache-Control", "no-store")
	h.Set("Retry-After", "1")
	response.Writer = mute{response.Writer}
}

// mute is a response whose body goes nowhere.
type mute struct{ http.ResponseWriter }

func (m mute) Write(b []byte) (int, error) { return len(b), nil }

func (m mute) Unwrap() http.ResponseWriter { return m.ResponseWriter }
