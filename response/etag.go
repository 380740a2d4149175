package response

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// StrongETag returns an entity tag made from a body. It is for a body that goes out byte for byte (RFC 9110,
// section 8.8.1).
func StrongETag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// WeakETag returns an entity tag made from a body that may still be encoded in another way before it goes out, for
// example compressed.
func WeakETag(body []byte) string { return "W/" + StrongETag(body) }

// MatchETag reports whether one of the entity tags in the lines of an If-None-Match field is, weakly compared, etag
// (RFC 9110, sections 8.8.3.2 and 13.1.2), or the field is "*". The etag "" stands for an answer without one. A line with
// anything but entity tags in it matches nothing from there on.
func MatchETag(lines []string, etag string) bool {
	if len(lines) == 1 && strings.Trim(lines[0], " \t") == "*" {
		return true
	}
	if etag == "" {
		return false
	}
	opaque := strings.TrimPrefix(etag, "W/")
	for _, line := range lines {
		for {
			line = strings.TrimLeft(line, " \t,")
			line = strings.TrimPrefix(line, "W/")
			if line == "" || line[0] != '"' {
				break
			}
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				break
			}
			if line[:end+2] == opaque {
				return true
			}
			if line = strings.TrimLeft(line[end+2:], " \t"); line != "" && line[0] != ',' {
				break
			}
		}
	}
	return false
}

// NotModified judges a conditional request against the answer to be given (RFC 9110, section 13.2.2) and reports whether
// it is a 304: If-None-Match counts first, If-Modified-Since only without it, and both only for a GET or HEAD that is
// answered with 200. The etag "" and the zero time stand for an answer without one.
func NotModified(r *http.Request, status int, etag string, modified time.Time) bool {
	if status != http.StatusOK || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if none := r.Header["If-None-Match"]; len(none) > 0 {
		return MatchETag(none, etag)
	}
	lines := r.Header["If-Modified-Since"]
	if len(lines) == 0 || modified.IsZero() {
		return false
	}
	since, err := http.ParseTime(lines[0])
	// The field has no fractions of a second, and so the time must have none to be compared.
	return err == nil && !modified.Truncate(time.Second).After(since)
}

// DescribesBody reports whether a header field describes the body, so that a 304, which has none, goes without it
// (RFC 9110, section 15.4.5). The name is in canonical form.
func DescribesBody(name string) bool {
	switch name {
	case "Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range":
		return true
	default:
		return false
	}
}
