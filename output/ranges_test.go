package output_test

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

const digits = "0123456789"

// digitsPage is a page of ten bytes that has a strong tag and a date, and more to say.
func digitsPage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Etag", `"v1"`)
	h.Set("Last-Modified", lastModified)
	h.Set("Content-Language", "en")
	h.Set("Expires", "Thu, 01 Jan 2037 00:00:00 GMT")
	h.Set("X-A", "b")
	_, _ = io.WriteString(w, digits)
}

// A part of a page comes from the entry (RFC 9110, section 14), with the headers of the page.
func TestRangesOfAHit(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), digitsPage)
	ask(p, http.MethodGet)
	for name, row := range map[string]struct {
		header  []string
		code    int
		content string // Content-Range
		body    string
	}{
		"the first":                     {[]string{"Range", "bytes=0-0"}, 206, "bytes 0-0/10", "0"},
		"some":                          {[]string{"Range", "bytes=2-4"}, 206, "bytes 2-4/10", "234"},
		"white space":                   {[]string{"Range", "bytes= 2-4 ,"}, 206, "bytes 2-4/10", "234"},
		"zeros in front":                {[]string{"Range", "bytes=02-004"}, 206, "bytes 2-4/10", "234"},
		"from there":                    {[]string{"Range", "bytes=7-"}, 206, "bytes 7-9/10", "789"},
		"the last":                      {[]string{"Range", "bytes=-3"}, 206, "bytes 7-9/10", "789"},
		"more than there is":            {[]string{"Range", "bytes=8-99"}, 206, "bytes 8-9/10", "89"},
		"a longer end than there is":    {[]string{"Range", "bytes=-99"}, 206, "bytes 0-9/10", digits},
		"one of two is there":           {[]string{"Range", "bytes=2-4,50-60"}, 206, "bytes 2-4/10", "234"},
		"beyond the end":                {[]string{"Range", "bytes=10-"}, 416, "bytes */10", ""},
		"two beyond the end":            {[]string{"Range", "bytes=10-11,20-"}, 416, "bytes */10", ""},
		"more in all than there is":     {[]string{"Range", "bytes=0-8,1-9"}, 200, "", digits},
		"an end before its beginning":   {[]string{"Range", "bytes=4-2"}, 200, "", digits},
		"the last none":                 {[]string{"Range", "bytes=-0"}, 200, "", digits},
		"nothing":                       {[]string{"Range", "bytes="}, 200, "", digits},
		"no dash":                       {[]string{"Range", "bytes=2"}, 200, "", digits},
		"only a dash":                   {[]string{"Range", "bytes=-"}, 200, "", digits},
		"a sign":                        {[]string{"Range", "bytes=+2-4"}, 200, "", digits},
		"a number beyond all":           {[]string{"Range", "bytes=0-99999999999999999999"}, 200, "", digits},
		"another unit":                  {[]string{"Range", "lines=0-1"}, 200, "", digits},
		"two fields":                    {[]string{"Range", "bytes=0-1", "Range", "bytes=2-3"}, 200, "", digits},
		"too many":                      {[]string{"Range", "bytes=" + strings.Repeat("0-0,", 33)}, 200, "", digits},
		"if it has this tag":            {[]string{"Range", "bytes=2-4", "If-Range", `"v1"`}, 206, "bytes 2-4/10", "234"},
		"if it has another tag":         {[]string{"Range", "bytes=2-4", "If-Range", `"v2"`}, 200, "", digits},
		"if it has this tag, weak":      {[]string{"Range", "bytes=2-4", "If-Range", `W/"v1"`}, 200, "", digits},
		"if it is of this time":         {[]string{"Range", "bytes=2-4", "If-Range", lastModified}, 206, "bytes 2-4/10", "234"},
		"if it is of another time":      {[]string{"Range", "bytes=2-4", "If-Range", "Wed, 01 May 2024 12:00:01 GMT"}, 200, "", digits},
		"beyond the end of another tag": {[]string{"Range", "bytes=10-", "If-Range", `"v2"`}, 200, "", digits},
		"known already":                 {[]string{"Range", "bytes=2-4", "If-None-Match", `"v1"`}, 304, "", ""},
		"not known yet":                 {[]string{"Range", "bytes=2-4", "If-None-Match", `"v2"`}, 206, "bytes 2-4/10", "234"},
		"not changed since":             {[]string{"Range", "bytes=2-4", "If-Modified-Since", lastModified}, 304, "", ""},
	} {
		w := ask(p, http.MethodGet, row.header...)
		h := w.Header()
		if w.Code != row.code || h.Get("Content-Range") != row.content || row.code != 416 && w.Body.String() != row.body {
			t.Errorf("%s: %d %q %q", name, w.Code, h.Get("Content-Range"), w.Body)
		}
		if row.code < 300 && h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: Content-Length %q for %d bytes", name, h.Get("Content-Length"), w.Body.Len())
		}
		if !strings.HasPrefix(h.Get("Cache-Status"), "echocache; hit; ttl=") || h.Get("X-A") != "b" {
			t.Errorf("%s: %v", name, h)
		}
		if row.code < 400 && (h.Get("Etag") != `"v1"` || h.Get("Last-Modified") != lastModified || h.Get("Age") != "0" || h.Get("Expires") == "") {
			t.Errorf("%s: %v", name, h)
		}
	}
	if n := p.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// A 416 is no page: what the page says of its body and its life is not said of it.
func TestRangeBeyondTheEndIsNoPage(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), digitsPage)
	ask(p, http.MethodGet)
	h := ask(p, http.MethodGet, "Range", "bytes=10-").Header()
	for _, name := range []string{"Etag", "Last-Modified", "Content-Language", "Cache-Control", "Expires", "Age", "Accept-Ranges"} {
		if h[name] != nil {
			t.Errorf("%s: %q", name, h[name])
		}
	}
	if h.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%v", h)
	}
}

// Several parts come as multipart/byteranges.
func TestSeveralRangesOfAHit(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), digitsPage)
	ask(p, http.MethodGet)
	w := ask(p, http.MethodGet, "Range", "bytes=0-1,-2,4-5,90-")
	if w.Code != http.StatusPartialContent || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if got := fmt.Sprint(partsOf(t, w)); got != "[bytes 0-1/10=01 bytes 8-9/10=89 bytes 4-5/10=45]" {
		t.Error(got)
	}
}

// partsOf returns the parts of a multipart answer.
func partsOf(t *testing.T, w *httptest.ResponseRecorder) []string {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" {
		t.Fatalf("%v %v", w.Header(), err)
	}
	var found []string
	for r := multipart.NewReader(w.Body, parameters["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF { //nolint:errorlint // NextRawPart says so
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, part.Header.Get("Content-Range")+"="+string(content))
	}
}

// What has no parts is given whole: to a HEAD, of another status than 200, of a page without a body.
func TestRangesThatAreIgnored(t *testing.T) {
	t.Parallel()
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, row := range map[string]struct {
		method string
		page   http.HandlerFunc
		code   int
		body   string
		length string
	}{
		"a HEAD":        {http.MethodHead, digitsPage, 200, "", "10"},
		"a 404":         {http.MethodGet, status(404, digits), 404, digits, "10"},
		"an empty page": {http.MethodGet, status(200, ""), 200, "", "0"},
	} {
		p := serve(t, output.Config{}, output.For(time.Minute).StatusFor(time.Minute, 404), row.page)
		ask(p, http.MethodGet)
		w := ask(p, row.method, "Range", "bytes=2-4")
		if w.Code != row.code || w.Body.String() != row.body || w.Header().Get("Content-Length") != row.length ||
			!strings.Contains(w.Header().Get("Cache-Status"), "hit") {
			t.Errorf("%s: %d %v %q", name, w.Code, w.Header(), w.Body)
		}
	}
}

// A weak tag, such as the cache's own, is not enough for parts to be put together (RFC 9110, section 13.1.5).
func TestIfRangeWithAWeakTag(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, digits)
	})
	tag := ask(p, http.MethodGet).Header().Get("Etag")
	if w := ask(p, http.MethodGet, "Range", "bytes=2-4", "If-Range", tag); !strings.HasPrefix(tag, "W/") || w.Code != 200 {
		t.Errorf("%s: %d", tag, w.Code)
	}
	if w := ask(p, http.MethodGet, "Range", "bytes=2-4"); w.Code != 206 || w.Header().Get("Etag") != tag {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// A page that its handler has encoded is given in parts of what it is, whatever its type, and whole with its length.
func TestRangesOfAnEncodedPage(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		w.Header().Set("Etag", `"v1"`)
		_, _ = io.WriteString(w, digits)
	})
	ask(p, http.MethodGet)
	for ifRange, want := range map[string]string{`"v1"`: "206 3", `"v2"`: "200 10"} {
		w := ask(p, http.MethodGet, "Range", "bytes=2-4", "If-Range", ifRange)
		h := w.Header()
		if got := fmt.Sprint(w.Code, " ", h.Get("Content-Length")); got != want {
			t.Errorf("%s: %s", ifRange, got)
		}
		if _, typed := h["Content-Type"]; typed || h.Get("Content-Encoding") != "br" {
			t.Errorf("%s: %v", ifRange, h)
		}
	}
}

// A part that is not there goes to the handler, which sees what is asked for; its 206 passes, and is not kept.
func TestRangeOnAMissPasses(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(digits))
	})
	for range 2 {
		w := ask(p, http.MethodGet, "Range", "bytes=2-4")
		if said := w.Header().Get("Cache-Status"); w.Code != 206 || w.Body.String() != "234" || said != "echocache; fwd=bypass; detail=range" {
			t.Errorf("%d %q %s", w.Code, w.Body, said)
		}
	}
	if w := ask(p, http.MethodGet); w.Code != 200 || w.Body.String() != digits || !strings.Contains(w.Header().Get("Cache-Status"), "stored") {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if s := p.cache.Stats(); s.Stored != 1 || s.Reasons["range"] != 2 {
		t.Errorf("%+v", s)
	}
}

// A request for a part that misses waits for no fill, and nobody waits for it.
func TestRangeOnAMissJoinsNoFlight(t *testing.T) {
	t.Parallel()
	filling, part := make(chan struct{}), make(chan struct{})
	finish, answered := make(chan struct{}), make(chan struct{})
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			close(part)
		} else {
			close(filling)
		}
		<-finish
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(digits))
	})
	got := make(chan int, 2)
	go func() { got <- ask(p, http.MethodGet).Code }()
	<-filling
	go func() {
		got <- ask(p, http.MethodGet, "Range", "bytes=2-4").Code
		close(answered)
	}()
	select {
	case <-part: // the handler runs for the part while the fill is held
	case <-time.After(10 * time.Second):
		t.Error("the request for a part waits for the fill")
	}
	close(finish)
	<-answered
	if a, b := <-got, <-got; a+b != 200+206 {
		t.Errorf("%d and %d", a, b)
	}
	if s := p.cache.Stats(); s.Collapsed != 0 || s.Stored != 1 {
		t.Errorf("%+v", s)
	}
}

// The other way round: a fill does not wait for a part that is being made.
func TestNobodyWaitsForARange(t *testing.T) {
	t.Parallel()
	part, finish := make(chan struct{}), make(chan struct{})
	p := serve(t, output.Config{}, output.For(time.Minute), func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			close(part)
			<-finish
		}
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(digits))
	})
	got := make(chan int)
	go func() { got <- ask(p, http.MethodGet, "Range", "bytes=2-4").Code }()
	<-part
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if w := p.get(ctx); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Status"), "stored") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	close(finish)
	if code := <-got; code != 206 {
		t.Error(code)
	}
}

// encodesOutside stands for a middleware that compresses what asks for it, as it says in Vary.
func encodesOutside(h http.Handler, vary string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", vary)
		h.ServeHTTP(w, r)
	})
}

// What may be encoded outside is given whole, and its tag is weak; see TestGzipOutside in package middleware.
func TestUnderAnEncoder(t *testing.T) {
	t.Parallel()
	p := serve(t, output.Config{}, output.For(time.Minute), digitsPage)
	for name, row := range map[string]struct {
		vary    string
		accepts []string
		whole   bool
	}{
		"it asks for gzip":        {"Accept-Encoding", []string{"Accept-Encoding", "gzip"}, true},
		"in any case":             {"Origin, accept-encoding", []string{"Accept-Encoding", "GZIP"}, true},
		"for another coding":      {"Accept-Encoding", []string{"Accept-Encoding", "identity, br;q=0.1"}, true},
		"for whatever there is":   {"Accept-Encoding", []string{"Accept-Encoding", "*"}, true},
		"refuses all others":      {"Accept-Encoding", []string{"Accept-Encoding", "identity;q=1, *;q=0"}, false},
		"nearly all others":       {"Accept-Encoding", []string{"Accept-Encoding", "identity;q=1, *;q=0, br"}, true},
		"refuses gzip, in vain":   {"Accept-Encoding", []string{"Accept-Encoding", "gzip;q=0"}, true},
		"in the second line":      {"Accept-Encoding", []string{"Accept-Encoding", "identity", "Accept-Encoding", "gzip"}, true},
		"for the page as it is":   {"Accept-Encoding", []string{"Accept-Encoding", "Identity;q=1"}, false},
		"for nothing":             {"Accept-Encoding", []string{"Accept-Encoding", " , "}, false},
		"does not ask":            {"Accept-Encoding", nil, false},
		"nobody outside encodes":  {"Origin", []string{"Accept-Encoding", "gzip"}, false},
		"a field that is similar": {"X-Accept-Encoding", []string{"Accept-Encoding", "gzip"}, false},
	} {
		h := encodesOutside(p, row.vary)
		code, tag := 206, `"v1"`
		if row.whole {
			code, tag = 200, `W/"v1"`
		}
		ask(h, http.MethodGet, row.accepts...)
		for range 2 {
			w := ask(h, http.MethodGet, append([]string{"Range", "bytes=2-4"}, row.accepts...)...)
			if w.Code != code || w.Header().Get("Etag") != tag {
				t.Errorf("%s: %d %v", name, w.Code, w.Header())
			}
			w = ask(h, http.MethodGet, append([]string{"If-None-Match", tag}, row.accepts...)...)
			if w.Code != 304 || w.Header().Get("Etag") != tag {
				t.Errorf("%s: %d %v", name, w.Code, w.Header())
			}
		}
	}
	if w := ask(p, http.MethodGet); w.Header().Get("Etag") != `"v1"` {
		t.Errorf("the entry's own tag: %v", w.Header())
	}
	if n := p.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// FuzzRanges holds the answer to any Range field against the grammar, by expressions.
func FuzzRanges(f *testing.F) {
	for _, line := range []string{
		"bytes=0-1", "bytes=-3", "bytes=7-", "bytes=0-1,4-5", "bytes=,, 2-4 ,", "bytes=-0", "bytes=10-", "bytes=5-4", "items=1-2",
		"bytes=0-99999999999999999999", "bytes=0-8,1-9", "bytes= - ", "bytes=1-2-3",
	} {
		f.Add(line)
	}
	field := regexp.MustCompile(`^bytes=[ \t,]*(?:[0-9]+-[0-9]*|-[0-9]+)[ \t]*(?:,[ \t]*(?:(?:[0-9]+-[0-9]*|-[0-9]+)[ \t]*)?)*$`)
	one := regexp.MustCompile(`([0-9]*)-([0-9]*)`)
	f.Fuzz(func(t *testing.T, line string) {
		if output.Rangeable(line) && !field.MatchString(line) {
			t.Fatalf("%q is not of the grammar", line)
		}
		p := serve(t, output.Config{}, output.For(time.Minute), digitsPage)
		ask(p, http.MethodGet)
		w := ask(p, http.MethodGet, "Range", line)
		var want []string
		for _, found := range one.FindAllStringSubmatch(line, -1) {
			if first, last, ok := slowRange(found[1], found[2]); ok {
				want = append(want, fmt.Sprintf("bytes %d-%d/10=%s", first, last, digits[first:last+1]))
			}
		}
		var got []string
		switch content := w.Header().Get("Content-Range"); {
		case w.Code == 200 && w.Body.String() == digits && content == "":
			return
		case w.Code == 416 && content == "bytes */10":
		case w.Code == 206 && content != "":
			got = []string{content + "=" + w.Body.String()}
		case w.Code == 206:
			got = partsOf(t, w)
		default:
			t.Fatalf("%q: %d %v %q", line, w.Code, w.Header(), w.Body)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	})
}

// slowRange returns the part of ten bytes that is asked for, if there is one.
func slowRange(from, to string) (first, last int, ok bool) {
	a, _ := strconv.ParseUint(from, 10, 64)
	b, _ := strconv.ParseUint(to, 10, 64)
	switch {
	case from == "":
		first, last = 10-int(min(b, 10)), 9
	case to == "":
		first, last = int(min(a, 10)), 9
	default:
		first, last = int(min(a, 10)), int(min(b, 9))
	}
	return first, last, first <= last
}
