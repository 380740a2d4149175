package output

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// recorder is the http.ResponseWriter that a handler writes to while a page is filled. It holds the answer back until
// it is complete, at most limit bytes of body. Then, and when the handler flushes or hijacks, the answer goes through:
// what was held back is written to the client's own writer, and so is everything that follows.
//
// Like any ResponseWriter it is for one goroutine at a time.
type recorder struct {
	fill    *Fill               // nil in a test
	outer   http.ResponseWriter // the client's
	before  http.Header         // outer's headers when the fill began
	header  http.Header         // what the handler works on
	sent    http.Header         // header when the status was written; nil before
	status  int
	body    []byte
	limit   int64
	through bool
	// onThrough is called once, just before the first byte goes through, with the reason.
	onThrough func(reason string)
	// member is what the cache has to say in Cache-Status, after whatever the handler says there; "" = nothing.
	member string
}

func newRecorder(outer http.ResponseWriter, limit int64, onThrough func(string)) *recorder {
	before := outer.Header().Clone()
	if before == nil {
		before = http.Header{}
	}
	return &recorder{outer: outer, before: before, header: before.Clone(), limit: limit, onThrough: onThrough}
}

// Header returns the headers the handler works on: a copy of what outer middleware has set.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader takes the status and fixes the headers, as net/http does. An informational answer goes to the client
// at once.
func (w *recorder) WriteHeader(code int) {
	if code >= 100 && code < 200 && code != http.StatusSwitchingProtocols {
		w.inform(code)
		return
	}
	if w.status != 0 {
		return
	}
	w.status = code
	w.sent = w.header.Clone()
	if w.through {
		w.open()
	}
}

// inform sends an informational answer with the handler's headers, and takes these back from the final one.
func (w *recorder) inform(code int) {
	if w.status != 0 {
		return
	}
	raw := w.outer
	if u, ok := raw.(interface{ Unwrap() http.ResponseWriter }); ok {
		raw = u.Unwrap() // a framework's own response would take the code for the final one
	}
	h := raw.Header()
	kept := h.Clone()
	repeat(h, w.before, w.header)
	raw.WriteHeader(code)
	clear(h)
	maps.Copy(h, kept)
}

// Write holds p back, or lets it through.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.through && int64(len(w.body))+int64(len(p)) > w.limit {
		w.letThrough(reasonTooLarge)
	}
	if w.through {
		return w.outer.Write(p)
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// letThrough ends the recording. What was held back goes out now.
func (w *recorder) letThrough(reason string) {
	if w.through {
		return
	}
	w.through = true
	w.onThrough(reason)
	if w.status != 0 {
		w.open()
	}
}

// open writes the head, and the body as far as it was held back, to the client.
func (w *recorder) open() {
	h := w.outer.Header()
	repeat(h, w.before, w.sent)
	if w.member != "" {
		// The list goes from the origin to the client (RFC 9211, section 2): what the handler passes on comes first.
		h["Cache-Status"] = slices.Concat(w.sent["Cache-Status"], []string{w.member})
	}
	w.outer.WriteHeader(w.status)
	if len(w.body) > 0 {
		_, _ = w.outer.Write(w.body) // an error shows again at the handler's next write
	}
	w.body = nil
}

// FlushError lets the answer through and flushes the client's writer.
func (w *recorder) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.letThrough(reasonStreamed)
	return http.NewResponseController(w.outer).Flush()
}

// Flush is FlushError for those who want no answer.
func (w *recorder) Flush() { _ = w.FlushError() }

// Hijack ends the recording and hands over the client's connection.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.letThrough(reasonHijacked)
	return http.NewResponseController(w.outer).Hijack()
}

// within reports whether w is the recorder, or writes to it in the end.
func (w *recorder) within(outermost http.ResponseWriter) bool {
	for outermost != nil {
		if outermost == http.ResponseWriter(w) {
			return true
		}
		u, ok := outermost.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		outermost = u.Unwrap()
	}
	return false
}

// Unwrap lets http.ResponseController reach the client's writer for what the recorder does not do itself: deadlines
// and full duplex.
func (w *recorder) Unwrap() http.ResponseWriter { return w.outer }

// finish sends what the handler left after the head: trailers (net/http takes them from the header map). If there was
// no head, whoever writes the answer, an error handler for one, finds the headers.
func (w *recorder) finish() {
	h := w.outer.Header()
	if w.sent == nil {
		repeat(h, w.before, w.header)
		return
	}
	for name, values := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) || declaredTrailer(w.sent["Trailer"], name) {
			h[name] = values
		}
	}
}

func declaredTrailer(declared []string, name string) bool {
	for item := range listItems(declared) {
		if http.CanonicalHeaderKey(item) == name {
			return true
		}
	}
	return false
}

// complete reports whether the body is as long as the handler said, if it said so.
func (w *recorder) complete() bool {
	length := w.sent["Content-Length"]
	return len(length) == 0 || slices.Equal(length, []string{strconv.Itoa(len(w.body))})
}
