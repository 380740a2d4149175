package output

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/echocache/echocache/response"
)

// maxRanges is how many parts of a page one request may ask for. Each costs a header of its own, so that many small ones
// are a burden and no saving (RFC 9110, section 14.2); with more of them the field is ignored.
const maxRanges = 32

// rangeable reports whether the lines of a Range field ask for something that can be given: bytes, by the grammar, at most
// maxRanges times. A field with another unit must be ignored, and one that is not right may be (RFC 9110, sections 14.1.1
// and 14.2). So may a part of no bytes and numbers beyond all bodies, of which [http.ServeContent] would make a wrong answer.
func rangeable(lines []string) bool {
	if len(lines) != 1 {
		return false
	}
	set, ok := strings.CutPrefix(lines[0], "bytes=")
	n := 0
	for ok && set != "" {
		var item string
		item, set, _ = strings.Cut(set, ",")
		if item = strings.Trim(item, " \t"); item == "" {
			continue
		}
		n++
		first, last, dash := strings.Cut(item, "-")
		switch {
		case !dash, n > maxRanges:
			return false
		case first == "":
			ok = isOffset(last) && strings.Trim(last, "0") != ""
		case last == "":
			ok = isOffset(first)
		default:
			ok = isOffset(first) && isOffset(last) && !offsetLess(last, first)
		}
	}
	return ok && n > 0
}

// isOffset reports whether s is a number that fits into an int64 whatever its digits are.
func isOffset(s string) bool {
	if s == "" || len(s) > 18 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// offsetLess compares two offsets.
func offsetLess(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// serveParts writes the parts of a page that r asks for, or all of it where If-Range says so (RFC 9110, section 14). The
// headers of the whole page are set already. Preconditions have been judged.
func serveParts(w http.ResponseWriter, r *http.Request, p *page) {
	h := w.Header()
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // what is encoded must not be guessed at; see partWriter
	}
	asks := &http.Request{Method: http.MethodGet, Header: http.Header{"Range": r.Header["Range"], "If-Range": r.Header["If-Range"]}}
	http.ServeContent(&partWriter{w, p}, asks, "", p.lastModified(), bytes.NewReader(p.body))
}

// partWriter mends what [http.ServeContent] says in the header.
type partWriter struct {
	http.ResponseWriter

	page *page
}

func (w *partWriter) WriteHeader(code int) {
	h := w.Header()
	if len(h["Content-Type"]) == 0 {
		delete(h, "Content-Type")
	}
	switch code {
	case http.StatusOK:
		h["Content-Length"] = w.page.whole.length // which ServeContent leaves out if there is a Content-Encoding
	case http.StatusRequestedRangeNotSatisfiable:
		// It has a body of its own, of which nothing that the page says of its body or its life is true.
		for name := range h {
			if response.DescribesBody(name) && name != "Content-Type" && name != "Content-Range" {
				delete(h, name)
			}
		}
		for _, name := range [...]string{"Etag", "Last-Modified", "Cache-Control", "Expires", "Age", "Accept-Ranges"} {
			delete(h, name)
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

// encodedOutside reports whether something outside may encode the answer to r, whose headers are h so far: it has said so
// in Vary, as Echo's Gzip does, and the client names more than identity. Even with a weight of 0: Echo's Gzip does not read
// it. Of such an answer no part can be given, since the parts would be encoded one by one, and its entity tag is not that
// of the bytes which arrive (RFC 9110, section 8.8.1).
func encodedOutside(h http.Header, r *http.Request) bool {
	vary := h["Vary"]
	if len(vary) == 0 || !namesEncoding(vary) {
		return false
	}
	for item := range listItems(r.Header["Accept-Encoding"]) {
		coding, _, _ := strings.Cut(item, ";")
		coding = strings.TrimRight(coding, " \t")
		if strings.EqualFold(coding, "identity") {
			continue
		}
		// Browsers ask for parts of a film with "identity;q=1, *;q=0".
		if _, weight, ok := codingWeight(item); coding == "*" && ok && weight == 0 {
			continue
		}
		return true
	}
	return false
}

// namesEncoding reports whether the lines of a Vary field name Accept-Encoding.
func namesEncoding(vary []string) bool {
	for item := range listItems(vary) {
		if strings.EqualFold(item, "Accept-Encoding") {
			return true
		}
	}
	return false
}

// weaken makes the entity tag weak.
func weaken(h http.Header) {
	tags := h["Etag"]
	if i := slices.IndexFunc(tags, func(t string) bool { return !strings.HasPrefix(t, "W/") }); i < 0 {
		return
	}
	tags = slices.Clone(tags) // they are the page's
	for i, t := range tags {
		if !strings.HasPrefix(t, "W/") {
			tags[i] = "W/" + t
		}
	}
	h["Etag"] = tags
}
