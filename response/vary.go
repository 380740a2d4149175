package response

import (
	"net/http"
	"slices"
	"strings"
)

// AddVary adds names to Vary, each that is not there yet, in a line of its own: what is there is left as it is. Nothing is
// added to "*", which says it all (RFC 9110, section 12.5.5).
func AddVary(h http.Header, names ...string) {
	var missing []string
	for _, name := range names {
		if named(h["Vary"], name) || named(missing, name) {
			continue
		}
		missing = append(missing, name)
	}
	if len(missing) > 0 {
		// Without the spare room: the lines that are there may be shared by many answers.
		h["Vary"] = append(slices.Clip(h["Vary"]), strings.Join(missing, ", "))
	}
}

// named reports whether the lines of a Vary field name a header, or all.
func named(lines []string, name string) bool {
	for _, line := range lines {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			if item = strings.Trim(item, " \t"); item == "*" || strings.EqualFold(item, name) {
				return true
			}
		}
	}
	return false
}
