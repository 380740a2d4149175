package output

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// The dictionary of the wire form: names and values that many pages have, each with a place that is written in its stead.
// Any change, a word more included, is another version of the wire form: an older release could not read the word, and
// would drop the page. A place below 64 takes a byte as a value, and one below 128 can be a name of fieldOfOne.
var words = [...]string{
	wordDate: "", wordTag: "", // not words, but places

	"Content-Type", wordOfEtag: "Etag", wordOfDate: "Date", wordOfControl: "Cache-Control", wordOfVary: "Vary",
	"Last-Modified", "Content-Language", "Content-Encoding", "Link", "Location",
	"X-Content-Type-Options", "X-Frame-Options", "Access-Control-Allow-Origin", "Content-Security-Policy", "Referrer-Policy",
	"Strict-Transport-Security",

	"application/json", "application/json; charset=utf-8", "application/json; charset=UTF-8", "application/problem+json",
	"text/html", "text/html; charset=utf-8", "text/html; charset=UTF-8", "text/plain; charset=utf-8", "text/plain; charset=UTF-8",
	"text/css; charset=utf-8", "text/javascript; charset=utf-8", "application/xml", "application/octet-stream",
	"image/png", "image/jpeg", "image/webp", "image/svg+xml",
	"Accept-Encoding", "Accept-Language", "Accept", "Origin", "Cookie",
	"no-cache", "private, no-cache", "public, max-age=60", "public, max-age=300", "public, max-age=3600",
	"nosniff", "DENY", "SAMEORIGIN", "*", "gzip", "br", "true", "bytes", "0", "1", "en", "de", "fr", "es",

	wordOfExpires: "Expires", "Content-Disposition", "Content-Location", "Content-Security-Policy-Report-Only", "Accept-Ranges",
	"Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
	"Access-Control-Expose-Headers", "Access-Control-Max-Age", "Cross-Origin-Embedder-Policy", "Cross-Origin-Opener-Policy",
	"Cross-Origin-Resource-Policy", "Permissions-Policy", "X-Xss-Protection", "X-Robots-Tag", "X-Dns-Prefetch-Control", "Server",
	"X-Powered-By", "Cdn-Cache-Control", "Surrogate-Control", "Surrogate-Key", "Allow", "Retry-After", "Alt-Svc", "Timing-Allow-Origin",
	"Origin-Agent-Cluster", "Accept-Ch", "Deprecation", "Sunset", "Pragma", "X-Total-Count",

	"text/plain", "text/csv", "application/xml; charset=UTF-8", "application/rss+xml", "application/pdf",
	"public, max-age=86400", "public, max-age=31536000, immutable", "1; mode=block", "no-referrer", "same-origin",
	"strict-origin-when-cross-origin", "max-age=31536000; includeSubDomains", "none", "Authorization",
}

// A name's place is seven bits of a byte.
var _ = [1]struct{}{}[len(words)>>7]

// The places of names that the cache reads itself. They never stand on the wire as a text.
const (
	wordOfEtag    = 3
	wordOfDate    = 4
	wordOfControl = 5
	wordOfVary    = 6
	wordOfExpires = 59
)

// meant reports whether a name is one that the cache reads itself.
func meant(name string) bool {
	switch name {
	case "Etag", "Date", "Cache-Control", "Vary", "Expires":
		return true
	default:
		return false
	}
}

// firstWord is the first place that is a word's.
const firstWord = wordTag + 1

// dictionary has the places of words.
var dictionary = func() map[string]int {
	places := make(map[string]int, len(words))
	for place := firstWord; place < len(words); place++ {
		places[words[place]] = place
	}
	return places
}()

// oneLine reports whether a text has none of the bytes that end a line of a header.
func oneLine(text []byte) bool {
	const ones = 0x0101010101010101
	for ; len(text) >= 8; text = text[8:] {
		// A byte below 0x0e borrows its highest bit, as do some of those behind one. Few texts have any.
		eight := binary.LittleEndian.Uint64(text)
		if (eight-0x0e*ones)&^eight&(0x80*ones) != 0 && !noEnd(text[:8]) {
			return false
		}
	}
	return noEnd(text)
}

func noEnd(text []byte) bool {
	for _, c := range text {
		if c == '\n' || c == '\r' || c == 0 {
			return false
		}
	}
	return true
}

// The entity tags that the cache makes are weak ones of 16 bytes.
const (
	tagSum  = 16
	tagOpen = `W/"`
	tagLen  = len(tagOpen) + 2*tagSum + 1
)

// appendTag appends the entity tag of a sum.
func appendTag(b []byte, sum string) []byte {
	return append(hex.AppendEncode(append(b, tagOpen...), []byte(sum)), '"')
}

// isPlainTag reports whether appendTag could have made a tag.
func isPlainTag(tag string) bool {
	if len(tag) != tagLen || !strings.HasPrefix(tag, tagOpen) || tag[tagLen-1] != '"' {
		return false
	}
	for _, c := range []byte(tag[len(tagOpen) : tagLen-1]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// appendTagBytes appends the sum of a plain tag.
func appendTagBytes(b []byte, tag string) []byte {
	b, _ = hex.AppendDecode(b, []byte(tag[len(tagOpen):tagLen-1]))
	return b
}

const (
	dateLen  = len(dateForm)
	dateForm = "Mon, 02 Jan 2006 15:04:05 GMT"
	lastDate = 253402300799 // in the year 9999
)

// appendDate appends a time in seconds since 1970 as time.Format does by http.TimeFormat, in a third of the time. It returns
// nil if that has no such form.
func appendDate(b []byte, at int64) []byte {
	const days, months = "SunMonTueWedThuFriSat", "JanFebMarAprMayJunJulAugSepOctNovDec"
	if at < 0 || at > lastDate {
		return nil
	}
	t := time.Unix(at, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	weekday := 3 * int(t.Weekday())
	m := 3 * (int(month) - 1)
	b = append(b, days[weekday:weekday+3]...)
	b = append(b, ", "...)
	b = appendTwo(b, day, ' ')
	b = append(b, months[m:m+3]...)
	b = append(b, ' ', byte('0'+year/1000), byte('0'+year/100%10))
	b = appendTwo(b, year%100, ' ')
	b = appendTwo(b, hour, ':')
	b = appendTwo(b, minute, ':')
	b = appendTwo(b, second, ' ')
	return append(b, "GMT"...)
}

// appendTwo appends two digits and what is behind them.
func appendTwo(b []byte, n int, behind byte) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10), behind)
}
