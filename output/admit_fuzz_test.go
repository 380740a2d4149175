package output_test

import (
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/output"
)

// directives reads Cache-Control by its grammar (RFC 9111, section 5.2, and RFC 9110, sections 5.6.1 to 5.6.4), letter by
// letter and without the package's help: the names, in lower case, of a list whose items may have quoted arguments.
func directives(lines []string) map[string]bool {
	found := map[string]bool{}
	for _, line := range lines {
		var name strings.Builder
		quoted, escaped, named := false, false, false
		end := func() {
			if text := strings.Trim(name.String(), " \t"); text != "" {
				found[strings.ToLower(text)] = true
			}
			name.Reset()
			named = false
		}
		for _, c := range []byte(line) {
			switch {
			case escaped:
				escaped = false
			case quoted && c == '\\':
				escaped = true
			case c == '"' && named:
				quoted = !quoted
			case quoted:
			case c == ',':
				end()
			case c == '=':
				named = true
			case !named:
				name.WriteByte(c)
			}
		}
		end()
	}
	return found
}

// Whatever an answer says, if it says private or no-store it is not stored (I-4). What is said in a quoted argument may be
// taken for it as well: that costs a fill.
func FuzzAdmitControl(f *testing.F) {
	for _, seed := range []string{
		"private", "no-store", "max-age=60, private", "PRIVATE=\"set-cookie\"", "no-cache=\"a, private\"", "private ,", ",no-store",
		"x=\"\\\"\", no-store", "no-store\t", "x=y=private", "max-age=1;no-store", "a=\"b", "\tprivate = x",
	} {
		f.Add(seed, "public")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		lines := []string{one, two}
		said := directives(lines)
		got := output.AdmitControl(lines)
		if (said["private"] || said["no-store"]) && got == "" {
			t.Errorf("%q is stored", lines)
		}
		if got != "" && !strings.Contains(strings.ToLower(one+","+two), got) {
			t.Errorf("%q: %s, of which it says nothing", lines, got)
		}
	})
}

// An answer is stored only if all that its Vary names is declared (I-4), whatever the field looks like.
func FuzzAdmitVary(f *testing.F) {
	for _, seed := range []string{
		"Accept-Language", "accept-language", "*", "Accept-Language, *", "Cookie", "authorization", "X-Other", ",", "",
		"Accept-Language,,X-Tenant", " x-tenant\t", "Accept-Language;q=1", "Accept Language", "\"Accept-Language\"",
	} {
		f.Add(seed, "X-Tenant")
	}
	declared := output.For(time.Minute).VaryHeader("Accept-Language", "X-Tenant")
	compressed := declared.Compress()
	f.Fuzz(func(t *testing.T, one, two string) {
		want, wantCompressed := true, true
		for _, line := range []string{one, two} {
			for name := range strings.SplitSeq(line, ",") {
				switch textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t")) {
				case "", "Accept-Language", "X-Tenant":
				case "Accept-Encoding":
					want = false
				default:
					want, wantCompressed = false, false
				}
			}
		}
		lines := []string{one, two}
		if got := declared.AdmitVary(lines); got != want {
			t.Errorf("%q: %v, want %v", lines, got, want)
		}
		if got := compressed.AdmitVary(lines); got != wantCompressed {
			t.Errorf("%q with Compress: %v, want %v", lines, got, wantCompressed)
		}
	})
}
