package output

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/echocache/echocache/store"
)

// maxEvictBody bounds the request to an EvictHandler, in bytes.
const maxEvictBody = 64 << 10

// EvictHandler returns a handler by which other programs evict: a POST with {"tags":["product:7","catalog"]}.
//
// It answers 204 when the eviction is confirmed, 202 when it is queued (see [store.ErrEvictionPending]), and 503 when it
// is neither: then it has to be asked again, which does no harm. A body or a tag that is wrong is a 400 that says why, and
// nothing is evicted. authorize says whether a request may; who may not gets a 403. It must not be nil: whoever can evict
// can keep an application from being cached.
func (c *Cache) EvictHandler(authorize func(*http.Request) bool) http.Handler {
	if authorize == nil {
		panic("output: EvictHandler without authorize: say who may evict")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		case !authorize(r):
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return
		}
		tags, err := readTags(http.MaxBytesReader(w, r.Body, maxEvictBody), r.Header.Get("Content-Type"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		// The client may leave: what it asked for is done all the same.
		err = c.Evict(context.WithoutCancel(r.Context()), tags...)
		switch {
		case err == nil:
			w.WriteHeader(http.StatusNoContent)
		case errors.Is(err, store.ErrEvictionPending):
			w.WriteHeader(http.StatusAccepted)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "the eviction is not confirmed: ask again", http.StatusServiceUnavailable)
		}
	})
}

// readTags returns the tags that a request names, all of them valid.
func readTags(body io.Reader, contentType string) ([]string, error) {
	if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != "application/json" {
		return nil, errors.New(`send Content-Type: application/json`)
	}
	var asked struct {
		Tags []string `json:"tags"`
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&asked); err != nil || d.More() || len(asked.Tags) == 0 {
		return nil, errors.New(`send {"tags":["…"]} with at least one tag`)
	}
	for _, tag := range asked.Tags {
		if err := store.CheckTag(tag); err != nil {
			return nil, err
		}
	}
	return asked.Tags, nil
}
