package middleware

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/echocache/echocache/output"
	"github.com/echocache/echocache/response"
)

// maxTagged bounds the body that is held back to make an entity tag of it, in bytes. A longer one goes through as it is
// written, without a tag.
const maxTagged = 1 << 20

// teller is the http.ResponseWriter that a handler writes to behind Response. It sets the fields when the status is
// written, so that nobody inside has a later word. If it is to make an entity tag, it then holds the answer back until the
// handler has returned.
//
// Like any ResponseWriter it is for one goroutine at a time.
type teller struct {
	message  *message
	response *echo.Response // whose writer it is
	request  *http.Request
	next     http.ResponseWriter
	above    *teller // of a Response outside
	output   inside  // while an Output inside serves
	page     page    // what that knew when the status was written

	told   bool // a policy further inside has told downstream what this one would
	wrote  bool // the status is written
	mute   bool // the answer is a 304: its body goes nowhere
	hold   bool // the answer is held back
	status int
	head   http.Header // as it was when the status was written, if the answer is held back
	body   []byte
}

// inside is the Output that is serving inside of a teller.
type inside struct {
	scratch  *output.Scratch // nil: there is none
	personal bool            // it keeps a page for each user; if there is none, the one outside does
}

// personalKey is where a Response finds whether the Output outside of it keeps a page for each user. It stands in the context
// on a bypass too: such an answer is as much one user's own as a page.
const personalKey = "github.com/echocache/echocache/middleware.personal"

func personal(c echo.Context) bool {
	is, _ := c.Get(personalKey).(bool)
	return is
}

// page is what downstream may know of an answer. The zero value is no page of a cache.
type page struct {
	left     time.Duration
	known    bool // it lives for left
	told     bool // a policy inside of the Output has told downstream already
	personal bool
}

func (i inside) page() page {
	p := page{personal: i.personal}
	if i.scratch != nil {
		p.left, p.told, p.known = i.scratch.Life()
	}
	return p
}

func newTeller(m *message, c echo.Context) *teller {
	r := c.Response()
	return &teller{
		message: m, response: r, request: c.Request(), next: r.Writer, above: tellerOf(r.Writer),
		output: inside{personal: personal(c)},
	}
}

// tellerOf returns the innermost teller that w writes to, or nil.
func tellerOf(w http.ResponseWriter) *teller {
	for {
		if t, ok := w.(*teller); ok {
			return t
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
}

// Header returns the headers of the answer.
func (t *teller) Header() http.Header { return t.next.Header() }

// Unwrap lets http.ResponseController reach the client's writer for what the teller does not do itself: deadlines and
// full duplex.
func (t *teller) Unwrap() http.ResponseWriter { return t.next }

// WriteHeader tells downstream what the policy says, and writes the status, or a 304 in its place. An informational answer
// passes.
func (t *teller) WriteHeader(code int) {
	switch {
	case t.hold, t.mute: // said once too often
		return
	case t.wrote, code < http.StatusOK:
		t.wrote = t.wrote || code == http.StatusSwitchingProtocols
		t.next.WriteHeader(code)
		return
	}
	t.wrote, t.status, t.page = true, code, t.output.page()
	if t.told || code >= http.StatusBadRequest {
		t.next.WriteHeader(code)
		return
	}
	if t.tags(code) {
		t.hold, t.head = true, t.Header().Clone()
		return
	}
	t.tell()
	t.writeHead()
}

// tags reports whether an entity tag is to be made.
func (t *teller) tags(code int) bool {
	return t.message.policy.WantsETag() && code == http.StatusOK && t.readOnly() && len(t.Header()["Etag"]) == 0
}

func (t *teller) readOnly() bool {
	return t.request.Method == http.MethodGet || t.request.Method == http.MethodHead
}

// tell sets the fields, unless a policy inside has done so.
func (t *teller) tell() {
	for above := t.above; above != nil; above = above.above {
		above.told = true
	}
	if t.page.told {
		return
	}
	m, h := t.message, t.Header()
	switch {
	case output.Tell(t.next, m.policy):
	case t.page.known:
		m.tellPage(h, t.page.personal, t.page.left)
	default:
		m.tell(h, t.page.personal)
	}
	delete(h, "Expires")
	delete(h, "Pragma")
	response.AddVary(h, m.varies...)
}

// writeHead writes the status, or 304 if the client has the answer already.
func (t *teller) writeHead() {
	h := t.Header()
	if !response.NotModified(t.request, t.status, first(h["Etag"]), modified(h)) {
		t.next.WriteHeader(t.status)
		return
	}
	for name := range h {
		if response.DescribesBody(name) {
			delete(h, name)
		}
	}
	t.mute = true
	t.response.Status = http.StatusNotModified // for who logs it
	t.next.WriteHeader(http.StatusNotModified)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// modified returns the answer's Last-Modified, or the zero time.
func modified(h http.Header) time.Time {
	if lines := h["Last-Modified"]; len(lines) == 1 {
		if at, err := http.ParseTime(lines[0]); err == nil {
			return at
		}
	}
	return time.Time{}
}

// Write writes p, or holds it back.
func (t *teller) Write(p []byte) (int, error) {
	if !t.wrote {
		t.WriteHeader(http.StatusOK)
	}
	if t.hold && len(t.body)+len(p) > maxTagged {
		t.through()
	}
	switch {
	case t.mute:
		return len(p), nil
	case t.hold:
		t.body = append(t.body, p...)
		return len(p), nil
	default:
		return t.next.Write(p)
	}
}

// ReadFrom lets what is copied to the answer take the short way of the client's writer, unless it is held back.
func (t *teller) ReadFrom(r io.Reader) (int64, error) {
	if !t.wrote {
		t.WriteHeader(http.StatusOK)
	}
	if t.mute || t.hold {
		return io.Copy(struct{ io.Writer }{t}, r)
	}
	return io.Copy(t.next, r)
}

// FlushError lets the answer through and flushes the client's writer.
func (t *teller) FlushError() error {
	if !t.wrote {
		t.WriteHeader(http.StatusOK)
	}
	t.through()
	return http.NewResponseController(t.next).Flush()
}

// Flush is FlushError for those who want no answer.
func (t *teller) Flush() { _ = t.FlushError() }

// Hijack hands over the client's connection.
func (t *teller) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.through()
	return http.NewResponseController(t.next).Hijack()
}

// finish ends the answer of a handler that returned without an error. A body that is not as long as it says is not tagged,
// and nor is the missing one of a HEAD.
func (t *teller) finish() {
	if t.hold && t.complete() {
		tag := response.WeakETag
		if t.asWritten() {
			tag = response.StrongETag
		}
		t.head["Etag"] = []string{tag(t.body)}
	}
	t.through()
	if t.mute {
		t.response.Size = 0
	}
}

func (t *teller) complete() bool {
	if t.request.Method == http.MethodHead {
		return len(t.body) > 0
	}
	length := t.head["Content-Length"]
	return len(length) == 0 || slices.Equal(length, []string{strconv.Itoa(len(t.body))})
}

// asWritten reports whether the body reaches the client byte for byte. Whoever stands between, Echo's Gzip for one, may
// encode it in another way.
func (t *teller) asWritten() bool {
	if len(t.head["Content-Encoding"]) > 0 {
		return false
	}
	w := t.next
	for {
		outer, ok := w.(*teller)
		if !ok {
			break
		}
		w = outer.next
	}
	of := reflect.TypeOf(w)
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch of.PkgPath() {
	case "net/http", "net/http/httptest", "golang.org/x/net/http2":
		return true
	default:
		return false
	}
}

// through lets out what is held back, with what the policy says.
func (t *teller) through() { t.open(true) }

// release lets out what is held back as the handler wrote it: something went wrong after that, and perhaps it is only a
// part of an answer.
func (t *teller) release() { t.open(false) }

func (t *teller) open(tell bool) {
	if !t.hold {
		return
	}
	t.hold = false
	h := t.Header()
	late := maps.Clone(h)
	clear(h)
	maps.Copy(h, t.head)
	if tell {
		t.tell()
		t.writeHead()
	} else {
		t.next.WriteHeader(t.status)
	}
	if len(t.body) > 0 && !t.mute {
		_, _ = t.next.Write(t.body) // an error shows again at the handler's next write
	}
	t.body = nil
	// What a handler sets after the status counts only if it is a trailer.
	for name, values := range late {
		if strings.HasPrefix(name, http.TrailerPrefix) || declared(t.head["Trailer"], name) {
			h[name] = values
		}
	}
}

// declared reports whether a Trailer field names a header.
func declared(lines []string, name string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			if http.CanonicalHeaderKey(strings.TrimSpace(item)) == name {
				return true
			}
		}
	}
	return false
}
