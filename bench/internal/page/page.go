// Package page is the one page that everything is compared over: how it is asked for, its bytes, and what a right answer
// to it is.
package page

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
)

// What every target is asked. Vary, user and query are part of our key; the others ignore most of it.
const (
	Route    = "/products/:id"
	Query    = "?page=2&sort=name"
	Host     = "shop.example"
	Language = "en-GB"
	User     = "u-4711"

	UserHeader  = "X-User"
	ContentType = "application/json; charset=utf-8"
)

// URI returns the path and query of the page with a number. The numbers stand in the path, because one of the peers
// looks at nothing else.
func URI(page int) string { return fmt.Sprintf("/products/%d%s", page, Query) }

// Headers are sent with every request.
func Headers() [][2]string {
	return [][2]string{{"Accept-Language", Language}, {UserHeader, User}, {"User-Agent", "bench"}}
}

// NewRequest returns a request for a page as a server would have read it.
func NewRequest(ctx context.Context, page int) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+Host+URI(page), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	r.RequestURI, r.URL.Host, r.URL.Scheme, r.RemoteAddr = URI(page), "", "", "127.0.0.1:40000"
	for _, h := range Headers() {
		r.Header.Set(h[0], h[1])
	}
	return r, nil
}

// Body returns the page's bytes: JSON of exactly that size.
func Body(size int) []byte {
	const head, item, tail = `{"id":7,"items":["`, "kestrel-kite-", `"]}`
	var b bytes.Buffer
	b.WriteString(head)
	for b.Len() < size-len(tail) {
		b.WriteString(item)
	}
	b.Truncate(max(size-len(tail), 0))
	b.WriteString(tail)
	return b.Bytes()
}

// Check reports what is wrong with an answer.
func Check(status int, header http.Header, body, want []byte) error {
	switch {
	case status != http.StatusOK:
		return fmt.Errorf("page: status %d", status)
	case !strings.HasPrefix(header.Get("Content-Type"), "application/json"):
		return fmt.Errorf("page: Content-Type %q", header.Get("Content-Type"))
	case !bytes.Equal(body, want):
		return fmt.Errorf("page: a wrong body of %d bytes, want %d", len(body), len(want))
	}
	return nil
}
