package storetest

import (
	"strconv"
	"strings"
)

// name returns a name for the i-th of its kind.
func name(kind string, i int) string { return kind + ":" + strconv.Itoa(i) }

// oddNames are keys or tags that a protocol or a separator may trip over, and that must stay different names.
func oddNames() []string {
	return []string{
		"a", "A", "a ", " a", "a,b", "a b", "a\x00", "a\x00b", "a\nb", "a\r\nb", "{a}", "a{b}c", "*", "a*", "a?", "[a]",
		"%s", "ä", "a\u0308", "\xff\xfe", "'", `"`, `\`, `\n`, "a:b", "a::b", ":", "k:a", "t:a", "0", "00", "-1",
		"", strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("long", 2000),
	}
}

// oddTags are those of oddNames that a tag may look like: as long as store.MaxTagBytes at most, and not empty.
func oddTags() []string {
	var tags []string
	for _, n := range oddNames() {
		if n != "" && len(n) <= 256 {
			tags = append(tags, n)
		}
	}
	return tags
}
