package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a record's tags.
const (
	MaxTags     = 64  // tags of one record, the reserved ones included
	MaxTagBytes = 256 // bytes of one tag
)

// CheckTag returns an error that names the tag and the fault if an application may not use it: empty, longer than
// [MaxTagBytes], not UTF-8, with a control character, or reserved. Reserved are names that begin with "*" (a whole
// cache), "r:" (a route) or "p:" (a path).
func CheckTag(tag string) error {
	var fault string
	switch {
	case tag == "":
		fault = "is empty"
	case len(tag) > MaxTagBytes:
		fault = fmt.Sprintf("has %d bytes, more than %d", len(tag), MaxTagBytes)
	case !utf8.ValidString(tag):
		fault = "is not valid UTF-8"
	case strings.ContainsFunc(tag, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		fault = "contains a control character"
	case Reserved(tag):
		fault = `is reserved ("*…", "r:…" and "p:…" are the cache's own): choose another name`
	default:
		return nil
	}
	return fmt.Errorf("store: tag %.80q %s", tag, fault)
}

// Reserved reports whether tag has a name that only the toolkit itself may use.
func Reserved(tag string) bool {
	return strings.HasPrefix(tag, "*") || strings.HasPrefix(tag, "r:") || strings.HasPrefix(tag, "p:")
}
